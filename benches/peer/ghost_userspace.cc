// What google/ghost-userspace itself costs on the paths that ghostsched has too: its real library, on memory made to
// look like a kernel's, so no ghOSt kernel is needed. Built and run by run.sh.
//
// Prints one line a figure: `peer NAME MIN MEDIAN`, in ns an operation, over repetitions.
//
//   channel_sweep    a TASK_WAKEUP message (40 bytes) read through Channel: Peek, type, sequence number, gtid, Consume;
//                    13,107 of them, a queue of 512 KiB from end to end
//   channel_hot      the same, 64 messages that stay in the cache
//   dispatch_N       a message through BasicDispatchScheduler to the least possible handler, each for a random one of
//                    N tasks; 8,192 messages
//   run_request      Open, the kernel's answer (one store, within the measured time), succeeded()
//   pnt_ring         push, pop (ours, see below) and reap of one task
//   pnt_burst        the same, a task: 32 are pushed, then all are popped, then reaped
//   parse_cpus       Topology::ParseCpuStr("0-1")
//   iterate_112      the sum of the ids of a CpuList of 112 CPUs
//
// Queues are filled outside of the measured time.

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "kernel/ghost_uapi.h"
#include "lib/channel.h"
#include "lib/enclave.h"
#include "lib/ghost.h"
#include "lib/scheduler.h"
#include "lib/topology.h"
#include "third_party/bpf/pntring_funcs.bpf.h"

namespace {

constexpr int kCpus = 112;
constexpr int kBurst = 32;  // tasks of a burst; half of a PNT ring
constexpr uint32_t kSlots = GHOST_MAX_QUEUE_ELEMS;  // 65,536 slots of 8 bytes: 512 KiB

// Hides a value from the optimiser: it may have been read and changed.
template <typename T>
void Opaque(T& value) {
  asm volatile("" : "+m"(value) : : "memory");
}

// Runs `prepare` unmeasured and `work` measured, `repetitions` times; `work` does `operations` of what is named.
template <typename Prepare, typename Work>
void Measure(const char* name, int repetitions, double operations, Prepare prepare, Work work) {
  std::vector<double> ns;
  for (int i = 0; i < repetitions; i++) {
    prepare();
    const auto start = std::chrono::steady_clock::now();
    work();
    const auto end = std::chrono::steady_clock::now();
    ns.push_back(std::chrono::duration<double, std::nano>(end - start).count() / operations);
  }
  std::sort(ns.begin(), ns.end());
  std::printf("peer %s %.3f %.3f\n", name, ns.front(), ns[ns.size() / 2]);
  std::fflush(stdout);
}

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "ghost_userspace: %s\n", what);
  std::exit(1);
}

// A queue as the kernel lays it out, in a memfd: the library maps it through the file descriptor, we write to our own
// mapping of the same pages.
class Queue {
 public:
  Queue() {
    fd_ = memfd_create("queue", 0);
    Require(fd_ > 0 && ftruncate(fd_, kBytes) == 0, "no memory for a queue");
    void* base = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
    Require(base != MAP_FAILED, "cannot map the queue");
    auto* header = static_cast<ghost_queue_header*>(base);
    header->version = GHOST_QUEUE_VERSION;
    header->start = sizeof(*header);
    header->nelems = kSlots;
    ring_ = reinterpret_cast<ghost_ring*>(static_cast<char*>(base) + header->start);
  }

  int fd() const { return fd_; }

  void Clear() {
    ring_->head = 0;
    ring_->tail = 0;
  }

  // Writes a message at the head; messages here are short of the ring's end, as a cleared ring is never filled up.
  template <typename Payload>
  void Push(uint16_t type, uint32_t seqnum, const Payload& payload) {
    const uint32_t head = ring_->head.load(std::memory_order_relaxed);
    ghost_msg* message = &ring_->msgs[head];
    message->type = type;
    message->length = sizeof(ghost_msg) + sizeof(payload);
    message->seqnum = seqnum;
    std::memcpy(message->payload, &payload, sizeof(payload));
    ring_->head.store(head + SlotsOf<Payload>(), std::memory_order_release);
  }

  template <typename Payload>
  static constexpr uint32_t SlotsOf() {
    return (sizeof(ghost_msg) + sizeof(Payload) + sizeof(ghost_msg) - 1) / sizeof(ghost_msg);
  }

  static constexpr size_t kBytes = sizeof(ghost_queue_header) + sizeof(ghost_ring) + kSlots * sizeof(ghost_msg);

 private:
  int fd_;
  ghost_ring* ring_;
};

// The library asks this instead of the kernel: a new queue is always ours.
class NoKernel : public ghost::Ghost {
 public:
  explicit NoKernel(int queue_fd) : queue_fd_(queue_fd) {}

  int CreateQueue(int, int, int, uint64_t& mapsize) override {
    mapsize = Queue::kBytes;
    return queue_fd_;
  }

 private:
  int queue_fd_;
};

class StatusWords : public ghost::StatusWordTable {
 public:
  explicit StatusWords(uint32_t count) : words_(count) {
    region_.capacity = count;
    header_ = &region_;
    table_ = words_.data();
  }

 private:
  ghost_sw_region_header region_{};
  std::vector<ghost_status_word> words_;
};

// Gtids as the kernel makes them: a growing number of 41 bits below a pid that grows too.
uint64_t GtidOf(uint64_t task) { return (500 + task) << 41 | (1000 + task); }

uint64_t Random() {
  static uint64_t x = 88172645463325252;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return x;
}

void MeasureChannel(Queue& queue, ghost::Channel* channel) {
  const auto fill = [&](uint32_t count) {
    queue.Clear();
    for (uint32_t i = 0; i < count; i++) {
      ghost_msg_payload_task_wakeup wakeup{};
      wakeup.gtid = GtidOf(i);
      queue.Push(MSG_TASK_WAKEUP, i, wakeup);
    }
  };
  const auto drain = [&] {
    uint64_t sum = 0;
    for (ghost::Message message; !(message = ghost::Peek(channel)).empty(); ghost::Consume(channel, message)) {
      sum += message.type() + message.seqnum() + message.gtid().id();
    }
    Opaque(sum);
  };
  static_assert(Queue::SlotsOf<ghost_msg_payload_task_wakeup>() == 5, "a wakeup is 40 bytes");
  constexpr uint32_t kSweep = kSlots / 5;
  Measure("channel_sweep", 201, kSweep, [&] { fill(kSweep); }, drain);
  Measure("channel_hot", 4001, 64, [&] { fill(64); }, drain);
}

struct CountedTask : public ghost::Task<> {
  CountedTask(ghost::Gtid gtid, ghost_sw_info info) : ghost::Task<>(gtid, info) {}
  int state = 0;
};

// The least a scheduler does with a message: note the task's state, count.
class CountingScheduler : public ghost::BasicDispatchScheduler<CountedTask> {
 public:
  explicit CountingScheduler(ghost::Channel* channel)
      : BasicDispatchScheduler(nullptr, ghost::CustomTopology()->all_cpus(),
                               std::make_shared<ghost::SingleThreadMallocTaskAllocator<CountedTask>>()),
        channel_(channel) {}

  ghost::Channel& GetDefaultChannel() override { return *channel_; }
  uint64_t count() const { return count_; }

 protected:
  void TaskNew(CountedTask* task, const ghost::Message& message) override {
    task->seqnum = message.seqnum();
    Note(task, 1);
  }
  void TaskRunnable(CountedTask* task, const ghost::Message&) override { Note(task, 1); }
  void TaskBlocked(CountedTask* task, const ghost::Message&) override { Note(task, 2); }
  void TaskYield(CountedTask* task, const ghost::Message&) override { Note(task, 3); }
  void TaskPreempted(CountedTask* task, const ghost::Message&) override { Note(task, 4); }
  void TaskDead(CountedTask*, const ghost::Message&) override {}
  void TaskDeparted(CountedTask*, const ghost::Message&) override {}

 private:
  void Note(CountedTask* task, int state) {
    task->state = state;
    count_++;
  }

  ghost::Channel* channel_;
  uint64_t count_ = 0;
};

// 8,192 messages a repetition, wakeups and blocks in turn, each of a random task.
void MeasureDispatch(Queue& queue, ghost::Channel* channel, int tasks) {
  constexpr int kMessages = 8192;
  ghost::GhostHelper()->SetGlobalStatusWordTable(new StatusWords(tasks));
  // Never freed, nor is the table: a task is destroyed only with the kernel's consent.
  auto* scheduler = new CountingScheduler(channel);
  std::vector<uint32_t> seqnums(tasks, 0);
  const auto drain = [&] {
    for (ghost::Message message; !(message = ghost::Peek(channel)).empty(); ghost::Consume(channel, message)) {
      scheduler->DispatchMessage(message);
    }
  };
  for (int i = 0; i < tasks; i++) {
    ghost_msg_payload_task_new created{};
    created.gtid = GtidOf(i);
    created.sw_info.index = i;
    queue.Clear();
    queue.Push(MSG_TASK_NEW, 0, created);
    drain();
  }
  const auto fill = [&] {
    queue.Clear();
    for (int i = 0; i < kMessages; i++) {
      const uint64_t task = Random() % tasks;
      if (i % 2 == 0) {
        ghost_msg_payload_task_wakeup wakeup{};
        wakeup.gtid = GtidOf(task);
        queue.Push(MSG_TASK_WAKEUP, ++seqnums[task], wakeup);
      } else {
        ghost_msg_payload_task_blocked blocked{};
        blocked.gtid = GtidOf(task);
        queue.Push(MSG_TASK_BLOCKED, ++seqnums[task], blocked);
      }
    }
  };
  constexpr int kRepetitions = 201;
  const std::string name = "dispatch_" + std::to_string(tasks);
  Measure(name.c_str(), kRepetitions, kMessages, fill, drain);
  Require(scheduler->count() == static_cast<uint64_t>(tasks) + kRepetitions * kMessages, "messages were lost");
}

// The kernel's answer, one store, is within the measured time.
void MeasureRunRequest() {
  constexpr int kRounds = 100'000;
  static ghost_txn txn;
  txn.version = GHOST_TXN_VERSION;
  txn.u.sync_group_owner = ghost::kSyncGroupNotOwned;
  txn.state = GHOST_TXN_COMPLETE;
  ghost::LocalRunRequest local;
  local.Init(nullptr, ghost::CustomTopology()->cpu(0), &txn);
  ghost::RunRequest* request = &local;
  Opaque(request);
  const auto open_and_complete = [&] {
    uint64_t succeeded = 0;
    for (int i = 0; i < kRounds; i++) {
      ghost::RunRequestOptions options;
      options.target = ghost::Gtid(GtidOf(i));
      options.target_barrier = i;
      options.agent_barrier = i;
      options.commit_flags = COMMIT_AT_TXN_COMMIT;
      request->Open(options);
      txn.state.store(GHOST_TXN_COMPLETE, std::memory_order_release);
      succeeded += request->succeeded();
    }
    Require(succeeded == kRounds, "a run request did not succeed");
  };
  Measure("run_request", 51, kRounds, [] {}, open_and_complete);
}

// The consumer's side, which the peer has only as BPF: two compare-exchanges, as pnt_latch_task_from_ring() has them,
// with the kernel's own work (running the task) left out.
pnt_ring_slot* PopAndComplete(pnt_ring* ring, int cpu) {
  const uint64_t next = READ_ONCE(ring->cons_idx);
  if (next == READ_ONCE(ring->prod_idx)) return nullptr;
  pnt_ring_slot* slot = pnt_ring_get_slot(ring, next);
  const int64_t state = READ_ONCE(slot->txn_state);
  if (state != GHOST_TXN_READY && state != GHOST_TXN_ABORTED) return nullptr;
  if (!__sync_bool_compare_and_swap(&ring->cons_idx, next, next + 1)) return nullptr;
  if (!__sync_bool_compare_and_swap(&slot->txn_state, static_cast<int64_t>(GHOST_TXN_READY), cpu)) return nullptr;
  slot->cpu = cpu;
  WRITE_ONCE(slot->txn_state, static_cast<int64_t>(GHOST_TXN_COMPLETE));
  return slot;
}

void MeasurePntRing() {
  constexpr int kRounds = 100'000;
  static pnt_ring rings[1];
  for (pnt_ring_slot& slot : rings[0].slots) slot.txn_state = GHOST_TXN_REAPED;
  pnt_ring* ring = rings;
  Opaque(ring);
  const auto push_pop_reap = [&] {
    uint64_t reaped = 0;
    for (int i = 0; i < kRounds; i++) {
      pnt_ring_slot* pushed = pnt_schedule_onto_ring(ring, GtidOf(i), i, nullptr);
      pnt_ring_slot* popped = PopAndComplete(ring, 3);
      pnt_ring_reap_slot(pushed);
      reaped += pushed == popped;
    }
    Require(reaped == kRounds, "a PNT ring slot was lost");
  };
  Measure("pnt_ring", 51, kRounds, [] {}, push_pop_reap);

  const auto push_some_then_pop_them = [&] {
    uint64_t reaped = 0;
    for (int i = 0; i < kRounds; i += kBurst) {
      pnt_ring_slot* pushed[kBurst];
      for (int j = 0; j < kBurst; j++) pushed[j] = pnt_schedule_onto_ring(ring, GtidOf(i + j), i + j, nullptr);
      for (int j = 0; j < kBurst; j++) reaped += pushed[j] == PopAndComplete(ring, 3);
      for (int j = 0; j < kBurst; j++) pnt_ring_reap_slot(pushed[j]);
    }
    Require(reaped == kRounds, "a PNT ring slot was lost");
  };
  Measure("pnt_burst", 51, kRounds, [] {}, push_some_then_pop_them);
}

void MeasureCpus() {
  constexpr int kRounds = 1'000;
  const ghost::Topology* topology = ghost::CustomTopology();
  const auto parse = [&] {
    for (int i = 0; i < kRounds; i++) {
      ghost::CpuList cpus = topology->ParseCpuStr("0-1");
      Opaque(cpus);
    }
  };
  Measure("parse_cpus", 21, kRounds, [] {}, parse);
  ghost::CpuList cpus = topology->all_cpus();
  const auto iterate = [&] {
    for (int i = 0; i < kRounds; i++) {
      uint64_t sum = 0;
      Opaque(cpus);
      for (const ghost::Cpu& cpu : cpus) sum += cpu.id();
      Opaque(sum);
    }
  };
  Measure("iterate_112", 101, kRounds, [] {}, iterate);
}

}  // namespace

int main() {
  std::vector<ghost::Cpu::Raw> cpus;
  for (int i = 0; i < kCpus; i++) {
    cpus.push_back({.cpu = i, .core = i, .smt_idx = 0, .siblings = {i}, .l3_siblings = {i}, .numa_node = 0});
  }
  ghost::UpdateCustomTopology(cpus);

  Queue queue;
  ghost::UpdateGhostHelper(new NoKernel(queue.fd()));
  ghost::LocalChannel local(kSlots, /*node=*/0, ghost::CustomTopology()->EmptyCpuList());
  ghost::Channel* channel = &local;
  Opaque(channel);

  MeasureChannel(queue, channel);
  for (int tasks : {16, 1024, 16384}) MeasureDispatch(queue, channel, tasks);
  MeasureRunRequest();
  MeasurePntRing();
  MeasureCpus();
  return 0;
}
