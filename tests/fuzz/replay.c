/* Runs a harness over files, or over all files of the directories given: the corpus as a test. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static unsigned ran;

static void replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        exit(1);
    }
    size_t cap = 64 << 10, len = 0, n;
    uint8_t *data = malloc(cap);
    while (data && (n = fread(data + len, 1, cap - len, f)) > 0) {
        len += n;
        if (len == cap) {
            cap *= 2;
            data = realloc(data, cap);
        }
    }
    fclose(f);
    if (!data) {
        abort();
    }
    /* Exactly as large as the input, so that a sanitizer notices a read beyond it. */
    uint8_t *exact = malloc(len ? len : 1);
    if (!exact) {
        abort();
    }
    memcpy(exact, data, len);
    free(data);
    LLVMFuzzerTestOneInput(exact, len);
    free(exact);
    ran++;
}

static void replay(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        perror(path);
        exit(1);
    }
    if (!S_ISDIR(st.st_mode)) {
        replay_file(path);
        return;
    }
    DIR *dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char inner[PATH_MAX];
        if (e->d_name[0] != '.' &&
                snprintf(inner, sizeof(inner), "%s/%s", path, e->d_name) < (int)sizeof(inner)) {
            replay(inner);
        }
    }
    if (dir) {
        closedir(dir);
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        replay(argv[i]);
    }
    printf("%u inputs\n", ran);
    return ran ? 0 : 1;
}
