// The C header from C11, without the C++ one: a message from the peer's queue, a commit, and every status.

#include <stdio.h>
#include <string.h>

#include "ghostsched.h"
#include "ghostsched_pnt.h"
#include "peer.h"

static const char *prefix = "c";
static int failed;

#define CHECK(claim)                                                                                                           \
	do {                                                                                                                   \
		if (!(claim)) {                                                                                                \
			printf("%s:%d: %s\n", __FILE__, __LINE__, #claim);                                                     \
			failed = 1;                                                                                            \
		}                                                                                                              \
	} while (0)

static void one_task(uint32_t version)
{
	peer *kernel = peer_create(version, 2, 64, 1);
	gs_queue queue;
	gs_transactions txns;
	gs_tasks tasks;
	gs_task_slot slots[16];
	gs_message message;
	gs_cpuset cpus = { { 0 } };
	gs_request request = { 0 };
	gs_task task;
	int32_t state = 0;
	size_t len;
	uint8_t *base;

	base = peer_queue(kernel, 0, &len);
	CHECK(gs_queue_init(&queue, base, len, version) == GS_OK);
	base = peer_cpu_data(kernel, &len);
	CHECK(gs_transactions_init(&txns, base, len) == GS_OK);
	CHECK(gs_tasks_init(&tasks, slots, 16) == GS_OK);
	CHECK(peer_add_agent(kernel, 0, 0, NULL) == 0 && peer_add_agent(kernel, 1, 0, NULL) == 0);
	CHECK(peer_run(kernel, GS_GTID_NULL, 1, 0) == 0);
	CHECK(peer_spawn(kernel, 0, 1, 0) > 0);

	CHECK(gs_queue_peek(&queue, &message) == GS_OK && message.number == GS_MSG_TASK_NEW);
	CHECK((message.has & GS_HAS_STATUS_WORD) && (message.is & GS_IS_RUNNABLE) && message.abi == version);
	CHECK(message.length == gs_message_bytes(version, GS_MSG_TASK_NEW));
	CHECK(gs_tasks_insert(&tasks, message.gtid, message.seqnum, 42) == GS_OK);
	CHECK(gs_queue_consume(&queue) == GS_OK && gs_queue_peek(&queue, &message) == GS_NONE);

	CHECK(gs_tasks_list(&tasks, &task, 1, &len) == GS_OK && len == 1 && task.value == 42);
	request.gtid = task.gtid;
	request.task_barrier = task.seqnum;
	request.commit_flags = GS_COMMIT_AT_TXN_COMMIT;
	CHECK(gs_txn_submit(&txns, 1, &request, &state) == GS_OK);
	CHECK(gs_txn_open(&txns, 1, &request, &state) == GS_LOST && state == GS_TXN_READY);
	CHECK(gs_cpuset_insert(&cpus, 1));
	CHECK(peer_commit(kernel, &cpus, sizeof cpus, 0) == 0);
	CHECK(gs_txn_wait(&txns, 1, 100, &state) == GS_OK && state == GS_TXN_COMPLETE);
	CHECK(peer_running(kernel, 1) == task.gtid);

	CHECK(peer_exit(kernel, task.gtid) == 0);
	CHECK(gs_queue_drain(&queue, &message, 1, &len) == GS_OK && len == 1 && message.number == GS_MSG_TASK_DEAD);
	CHECK(gs_tasks_apply(&tasks, message.gtid, message.seqnum, NULL) == GS_OK);
	CHECK(gs_tasks_remove(&tasks, message.gtid, NULL) == GS_OK && gs_tasks_count(&tasks) == 0);
	CHECK(peer_audit(kernel, NULL, 0) == 0);
	peer_free(kernel);
}

int main(int argc, char **argv)
{
	static const uint32_t versions[] = { 69, 84, 90, 91 };
	char version[32];
	size_t index;

	if (argc > 1)
		prefix = argv[1];
	for (index = 0; index < 4; index++)
		one_task(versions[index]);
	for (index = 0; index < 40; index++)
		CHECK(strlen(gs_status_text(-(int32_t)index)) > 3);
	snprintf(version, sizeof version, "%d.%d.%d", GS_VERSION_MAJOR, GS_VERSION_MINOR, GS_VERSION_PATCH);
	CHECK(strcmp(version, gs_version()) == 0);
	printf("test %s::a_c_program_runs_one_task_in_each_abi ... %s\n", prefix, failed ? "FAILED" : "ok");
	return failed;
}
