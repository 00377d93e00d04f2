/* Commands about activities, task queues, namespaces, search attributes and clusters. */
#pragma once

#include "cli/cli.h"

enum err activity_complete_run(struct cli *cli, struct fail *f);
enum err activity_fail_run(struct cli *cli, struct fail *f);
enum err task_queue_describe_run(struct cli *cli, struct fail *f);
enum err task_queue_list_partition_run(struct cli *cli, struct fail *f);
enum err task_queue_config_get_run(struct cli *cli, struct fail *f);
enum err task_queue_config_set_run(struct cli *cli, struct fail *f);
enum err namespace_create_run(struct cli *cli, struct fail *f);
enum err namespace_describe_run(struct cli *cli, struct fail *f);
enum err namespace_list_run(struct cli *cli, struct fail *f);
enum err namespace_update_run(struct cli *cli, struct fail *f);
enum err namespace_delete_run(struct cli *cli, struct fail *f);
enum err search_attribute_create_run(struct cli *cli, struct fail *f);
enum err search_attribute_list_run(struct cli *cli, struct fail *f);
enum err search_attribute_remove_run(struct cli *cli, struct fail *f);
enum err cluster_health_run(struct cli *cli, struct fail *f);
enum err cluster_describe_run(struct cli *cli, struct fail *f);
enum err cluster_system_run(struct cli *cli, struct fail *f);
enum err cluster_list_run(struct cli *cli, struct fail *f);
