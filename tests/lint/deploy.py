"""Files of deploy/ against the executable: deploy.py EXECUTABLE. The container's packages bring every library that the
executable needs and no other; the manifest is YAML whose settings, ports and arguments fit."""

import os
import re
import subprocess
import sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
PERDURE = sys.argv[1]
complaints = []

# Libraries of the base image, and of packages that ours depend on by themselves.
BASE = {"libc6", "libgcc-s1"}
# Files that the executable reads: the time zones of cron schedules.
DATA = {"tzdata"}


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def needed_packages():
    """Of the libraries that the executable itself names (not those that come with them)."""
    out = subprocess.run(["readelf", "-d", PERDURE], capture_output=True, text=True, check=True).stdout
    names = re.findall(r"\(NEEDED\).*\[(.+)\]", out)
    linked = subprocess.run(["ldd", PERDURE], capture_output=True, text=True, check=True).stdout
    paths = dict(re.findall(r"(\S+) => (\S+)", linked))
    packages = {}
    for name in names:
        path = paths.get(name)
        if not path:
            continue
        for candidate in (os.path.realpath(path), path, path.removeprefix("/usr"), "/usr" + path):
            owner = subprocess.run(["dpkg", "-S", candidate], capture_output=True, text=True)
            if owner.returncode == 0:
                packages[name] = owner.stdout.split(":")[0]
                break
    return packages


def check_container():
    text = read("deploy", "Containerfile").replace("\\\n", " ")
    runs = re.findall(r"apt-get install -y --no-install-recommends ([^&]*)&&", text)
    have = set(runs[-1].split())
    need = needed_packages()
    for name, package in need.items():
        if package not in have | BASE:
            complaints.append(f"Containerfile: {package} is missing ({name})")
    for package in DATA - have:
        complaints.append(f"Containerfile: {package} is missing")
    for package in have - set(need.values()) - DATA:
        complaints.append(f"Containerfile: {package} is not needed")


def check_manifest():
    try:
        import yaml
    except ImportError:
        print("python3-yaml is not installed: the manifest is not checked")
        return
    documents = [d for d in yaml.safe_load_all(read("deploy", "kubernetes", "perdure.yaml")) if d]
    secret = next(d for d in documents if d["kind"] == "Secret")
    config = os.path.join(os.environ.get("TMPDIR", "/tmp"), f"perdure-manifest-{os.getpid()}.yaml")
    with open(config, "w", encoding="utf-8") as f:
        f.write(secret["stringData"]["perdure.yaml"])
    roles = set()
    for d in documents:
        spec = d.get("spec", {}).get("template", {}).get("spec")
        if not spec:
            continue
        name = d["metadata"]["name"]
        labels = d["spec"]["template"]["metadata"]["labels"]
        if any(labels.get(k) != v for k, v in d["spec"]["selector"]["matchLabels"].items()):
            complaints.append(f"{name}: the selector does not match the template")
        container = spec["containers"][0]
        roles.add(container["args"][0])
        args = [a.replace("/etc/perdure/perdure.yaml", config).replace("$(POD_IP)", "192.0.2.1") for a in container["args"]]
        done = subprocess.run([PERDURE, *args, "--print-config"], capture_output=True, text=True, timeout=10)
        if done.returncode:
            complaints.append(f"{name}: {done.stderr.strip()}")
            continue
        settings = yaml.safe_load(done.stdout)
        ports = {p["name"]: p["containerPort"] for p in container["ports"]}
        listens = {
            "rpc": settings["rpc"]["listen"],
            "grpc": settings["frontend"]["listen"],
            "metrics": settings["metrics"]["listen"],
        }
        for port, number in ports.items():
            if not listens[port].endswith(f":{number}"):
                complaints.append(f"{name}: port {port} is {number}, the settings say {listens[port]}")
        for kind in ("livenessProbe", "readinessProbe"):
            probe = container.get(kind, {})
            port = probe.get("httpGet", {}).get("port", "grpc" if "grpc" in probe else None)
            if port not in ports:
                complaints.append(f"{name}: no {kind}, or its port is not there")
            page = probe.get("httpGet", {}).get("path", "/healthz")
            if page not in ("/healthz", "/readyz"):
                complaints.append(f"{name}: {page} is no page of ours")
        scraped = d["spec"]["template"]["metadata"].get("annotations", {}).get("prometheus.io/port")
        if scraped != str(ports.get("metrics")):
            complaints.append(f"{name}: Prometheus is sent to port {scraped}")
        version = subprocess.run([PERDURE, "version"], capture_output=True, text=True).stdout.split()[1]
        if not container["image"].endswith(":" + version):
            complaints.append(f"{name}: image {container['image']} is not version {version}")
        drain = settings["frontend"]["drain"]
        if int(re.sub(r"\D", "", str(drain))) / 1000 + 15 > spec["terminationGracePeriodSeconds"]:
            complaints.append(f"{name}: too little time for an orderly end")
    os.unlink(config)
    if roles != {"frontend", "history", "matching"}:
        complaints.append(f"services in the manifest: {sorted(roles)}")


check_container()
check_manifest()
for line in complaints:
    print(line)
print(f"{len(complaints)} complaints")
sys.exit(1 if complaints else 0)
