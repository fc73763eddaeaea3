// An agent as ghost-userspace has it for its centralized FIFO: one loop drains the global queue, keeps the table of tasks
// and the run queue, picks CPUs by their agents' status words, opens a run request a CPU, commits all, and looks how each
// ended. It preempts by opening the next task on a busy CPU, and yields its own CPU when there is nothing to do. The kernel
// is the peer, and all four ABIs are run.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "check.hpp"
#include "ghostsched.hpp"
#include "peer.h"

namespace gs = ghostsched;

namespace {

constexpr std::uint32_t CPUS = 5;
constexpr std::uint32_t GLOBAL_CPU = 0;
constexpr std::int64_t SLICE_NS = 40'000;

struct Peer {
	explicit Peer(std::uint32_t abi, std::uint64_t seed) : raw(peer_create(abi, CPUS, 8192, seed)) {}
	~Peer() { peer_free(raw); }
	Peer(const Peer &) = delete;
	Peer &operator=(const Peer &) = delete;
	peer *raw;
};

struct FifoTask {
	enum class Run { Blocked, Queued, OnCpu };
	Run run = Run::Blocked;
	std::uint32_t status_word = 0;
	std::int32_t cpu = -1;
	std::int64_t since_ns = 0;
	bool preempted = false;
};

class FifoAgent {
public:
	using Task = gs::Task<FifoTask>;

	FifoAgent(peer *kernel, gs::Abi abi) : kernel_(kernel)
	{
		std::size_t len = 0;
		void *base = peer_queue(kernel, 0, &len);
		auto queue = gs::Queue::at(base, len, abi);
		CHECK(queue.ok());
		queue_ = *std::move(queue);
		base = peer_status_words(kernel, &len);
		words_ = *gs::StatusWords::at(base, len);
		base = peer_cpu_data(kernel, &len);
		txns_ = *gs::Transactions::at(base, len);
		CHECK(words_.count() == GS_STATUS_WORD_REGION_CAPACITY && txns_.count() == CPUS);
		for (std::uint32_t cpu = 0; cpu < CPUS; cpu++) {
			CHECK(peer_add_agent(kernel, cpu, 0, &agent_words_[cpu]) == 0);
			if (cpu != GLOBAL_CPU) { // satellites yield at once
				const auto barrier = words_[agent_words_[cpu]].barrier();
				CHECK(peer_run(kernel, GS_GTID_NULL, cpu, barrier) == 0);
			}
		}
	}

	// One round of the global agent.
	void schedule()
	{
		const auto barrier = words_[agent_words_[GLOBAL_CPU]].barrier();
		for (;;) {
			gs::Drain messages = queue_.drain();
			for (const gs::Message &message : messages)
				dispatch(message);
			CHECK(!messages.status().is_error());
			if (messages.status() == gs::Status(GS_NONE))
				break;
		}
		if (run_queue_.empty() && running_.empty()) {
			local_yield(barrier);
			return;
		}
		run_requests();
	}

	std::uint64_t finished = 0, preemptions = 0, commits = 0, failures = 0, yields = 0, unknown = 0;
	std::uint64_t seen[256] = {};
	bool idle() { return tasks_->empty() && run_queue_.empty() && running_.empty(); }

private:
	void dispatch(const gs::Message &message)
	{
		seen[message.number() & 0xff]++;
		if (message.number() == GS_MSG_TASK_NEW)
			return task_new(message);
		if (!message.is_task())
			return;
		auto applied = tasks_->apply(message);
		CHECK(applied.ok());
		if (!applied)
			return;
		Task &task = **applied;
		switch (message.number()) {
		case GS_MSG_TASK_WAKEUP:
			return enqueue(task);
		case GS_MSG_TASK_BLOCKED:
			return off_cpu(task, FifoTask::Run::Blocked);
		case GS_MSG_TASK_YIELD:
			off_cpu(task, FifoTask::Run::Blocked);
			return enqueue(task);
		case GS_MSG_TASK_PREEMPT:
			CHECK(message.cpu().has_value() && message.runtime_ns().has_value());
			off_cpu(task, FifoTask::Run::Blocked);
			return enqueue(task, true);
		case GS_MSG_TASK_DEAD:
		case GS_MSG_TASK_DEPARTED:
			return gone(task);
		case GS_MSG_TASK_AFFINITY_CHANGED:
		case GS_MSG_TASK_PRIORITY_CHANGED:
			return; // only the barrier moved
		default:
			unknown++;
		}
	}

	void task_new(const gs::Message &message)
	{
		auto inserted = tasks_->insert(*message.gtid(), message.seqnum());
		CHECK(inserted.ok() && message.status_word().has_value());
		if (!inserted)
			return;
		Task &task = **inserted;
		task.state.status_word = *message.status_word();
		if (message.is_runnable())
			enqueue(task);
	}

	void enqueue(Task &task, bool in_front = false)
	{
		CHECK(task.state.run != FifoTask::Run::Queued);
		task.state.run = FifoTask::Run::Queued;
		if (in_front)
			run_queue_.push_front(task.gtid);
		else
			run_queue_.push_back(task.gtid);
	}

	void off_cpu(Task &task, FifoTask::Run to)
	{
		if (task.state.cpu >= 0)
			running_.erase(static_cast<std::uint32_t>(task.state.cpu));
		task.state.cpu = -1;
		task.state.run = to;
	}

	void gone(Task &task)
	{
		if (task.state.run == FifoTask::Run::Queued)
			for (auto at = run_queue_.begin(); at != run_queue_.end(); ++at)
				if (*at == task.gtid) {
					run_queue_.erase(at);
					break;
				}
		off_cpu(task, FifoTask::Run::Blocked);
		CHECK(words_[task.state.status_word].can_be_freed());
		CHECK(peer_sw_free(kernel_, 0, task.state.status_word) == 0);
		finished++;
		CHECK(tasks_->remove(task.gtid));
	}

	// Whether the CPU can be given to a task, by the status word of its agent.
	bool available(std::uint32_t cpu) { return cpu != GLOBAL_CPU && words_[agent_words_[cpu]].cpu_is_available(); }

	void run_requests()
	{
		std::map<std::uint32_t, gs::Gtid> opened;
		gs::CpuSet cpus;
		for (std::uint32_t cpu = 0; cpu < CPUS && !run_queue_.empty(); cpu++) {
			if (!available(cpu))
				continue;
			const auto current = running_.find(cpu);
			if (current != running_.end()) {
				// Round robin: who had its slice is pushed out by the next task's commit.
				Task *task = tasks_->find(current->second);
				CHECK(task != nullptr);
				if (!task || peer_now(kernel_) - task->state.since_ns < SLICE_NS)
					continue;
			}
			Task *next = tasks_->find(run_queue_.front());
			CHECK(next != nullptr);
			run_queue_.pop_front();
			if (!next)
				continue;
			// Its last message may be there before it has left its CPU.
			CHECK(!words_[next->state.status_word].is_on_cpu());
			const auto request =
				gs::Request::run(next->gtid, next->seqnum).commit_flags(GS_COMMIT_AT_TXN_COMMIT);
			const gs::Edge edge = txns_[cpu].open(request);
			CHECK(edge);
			CHECK(txns_[cpu].submit());
			opened.emplace(cpu, next->gtid);
			cpus.insert(cpu);
			preemptions += current != running_.end();
		}
		if (cpus.empty())
			return;
		const auto argument = cpus.commit(); // as the ioctl takes it
		CHECK(peer_commit(kernel_, reinterpret_cast<const void *>(argument.mask_ptr), argument.mask_len,
				  GLOBAL_CPU) == 0);
		for (const auto &[cpu, gtid] : opened) {
			const auto state = txns_[cpu].wait(1000);
			CHECK(state.ok() && state->is_final());
			Task *task = tasks_->find(gtid);
			CHECK(task != nullptr);
			commits++;
			if (state->is_committed()) {
				running_[cpu] = gtid;
				task->state.run = FifoTask::Run::OnCpu;
				task->state.cpu = static_cast<std::int32_t>(cpu);
				task->state.since_ns = peer_now(kernel_);
			} else {
				failures++;
				CHECK(state->remedy() != GS_REMEDY_MISTAKE);
				task->state.run = FifoTask::Run::Blocked;
				enqueue(*task, true);
			}
		}
	}

	void local_yield(std::uint32_t barrier)
	{
		yields++;
		CHECK(peer_run(kernel_, GS_GTID_NULL, GLOBAL_CPU, barrier) == 0);
		CHECK(peer_run(kernel_, GS_GTID_AGENT, GLOBAL_CPU, 0) == 0); // a satellite's ping wakes it
	}

	peer *kernel_;
	gs::Queue queue_;
	gs::StatusWords words_;
	gs::Transactions txns_;
	std::uint32_t agent_words_[CPUS] = {};
	std::unique_ptr<gs::TaskTable<FifoTask, 512>> tasks_ = std::make_unique<gs::TaskTable<FifoTask, 512>>();
	std::deque<gs::Gtid> run_queue_;
	std::map<std::uint32_t, gs::Gtid> running_; // by CPU
};

void audit(const Peer &kernel)
{
	char why[512] = "";
	const bool holds = peer_audit(kernel.raw, why, sizeof why) == 0;
	if (!holds)
		std::printf("%s\n", why);
	CHECK(holds);
}

void fifo(std::uint32_t version, std::uint64_t seed)
{
	Peer kernel(version, seed);
	CHECK(kernel.raw != nullptr);
	FifoAgent agent(kernel.raw, *gs::Abi::of(version));
	constexpr std::uint32_t TASKS = 200;
	CHECK(peer_spawn_workload(kernel.raw, TASKS, 15) == 0);
	std::uint32_t alive = TASKS;
	for (int round = 0; round < 50'000 && (alive > 0 || !agent.idle()) && failed_checks == 0; round++) {
		agent.schedule();
		// A higher class takes a CPU now and then, and gives it back.
		if (round % 50 == 10)
			CHECK(peer_set_higher_class(kernel.raw, 2, 1) == 0);
		if (round % 50 == 20)
			CHECK(peer_set_higher_class(kernel.raw, 2, 0) == 0);
		audit(kernel);
		alive = peer_step(kernel.raw);
	}
	agent.schedule();
	struct peer_counts counts;
	peer_counts(kernel.raw, &counts);
	CHECK(alive == 0 && agent.idle());
	CHECK(agent.finished == TASKS && counts.dead == TASKS && counts.spawned == TASKS);
	CHECK(counts.lost == 0 && counts.claimed == counts.complete + counts.failed);
	CHECK(counts.claimed == agent.commits && counts.failed == agent.failures);
	CHECK(agent.preemptions > 0 && agent.unknown == 0);
	CHECK(agent.seen[GS_MSG_TASK_NEW] == TASKS && agent.seen[GS_MSG_TASK_DEAD] == TASKS);
	CHECK(agent.seen[GS_MSG_TASK_PRIORITY_CHANGED] > 0 || version == 69);
	CHECK(agent.yields > 0);
	audit(kernel);
}

template <std::uint32_t Version> void fifo_of()
{
	for (std::uint64_t seed = 1; seed <= 4; seed++)
		fifo(Version, seed);
}

} // namespace

int main(int argc, char **argv)
{
	if (argc > 1)
		prefix = argv[1];
	test("a_centralized_fifo_runs_every_task_to_its_end_in_abi_69", fifo_of<69>);
	test("a_centralized_fifo_runs_every_task_to_its_end_in_abi_84", fifo_of<84>);
	test("a_centralized_fifo_runs_every_task_to_its_end_in_abi_90", fifo_of<90>);
	test("a_centralized_fifo_runs_every_task_to_its_end_in_abi_91", fifo_of<91>);
	return failed_tests != 0;
}
