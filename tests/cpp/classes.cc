// Each class of ghostsched.hpp, alone and against the peer.

#include <cstring>
#include <string>
#include <type_traits>
#include <unordered_set>
#include <vector>

#include "check.hpp"
#include "ghostsched.hpp"
#include "peer.h"

namespace gs = ghostsched;

std::size_t of_the_other_unit(); // odr.cc, which includes the header too

namespace {

static_assert(!std::is_copy_constructible_v<gs::Queue> && std::is_nothrow_move_constructible_v<gs::Queue>);
static_assert(!std::is_copy_constructible_v<gs::Mapping> && std::is_nothrow_move_constructible_v<gs::Mapping>);
static_assert(std::is_trivially_copyable_v<gs::Message> && std::is_trivially_copyable_v<gs::CpuSet>);
static_assert(!std::is_copy_constructible_v<gs::Drain> && !std::is_move_constructible_v<gs::Drain>);
using Claim = gs::PntRing::Claim;
static_assert(!std::is_copy_constructible_v<Claim> && std::is_nothrow_move_constructible_v<Claim>);
static_assert(!std::is_copy_assignable_v<Claim> && std::is_nothrow_move_assignable_v<Claim>);
static_assert(sizeof(gs::Gtid) == 8 && sizeof(gs::CpuSet) == 128);

void an_abi_is_found_and_told_apart()
{
	CHECK(gs::Abi::of(84)->version() == 84);
	CHECK(gs::Abi::of(70).status() == gs::Status(GS_ERR_ABI));
	CHECK(std::string(gs::last_error()).find("70") != std::string::npos);
	CHECK(gs::Abi::negotiate("69\n84\n92\n")->version() == 84);
	CHECK(gs::Abi::negotiate("").status() == gs::Status(GS_ERR_ABI));
	CHECK(gs::Abi::negotiate("soon").status() == gs::Status(GS_ERR_TEXT));
	const gs::Abi old = *gs::Abi::of(69), latest = gs::Abi::latest();
	CHECK(old.info().agent_pins_itself && !latest.info().agent_pins_itself);
	CHECK(old.become_agent(3, 10).view() == "become agent 10");
	CHECK(latest.become_agent(3).view() == "become agent 3 -1");
	CHECK(latest.create_enclave(7, 100).view() == "create 7 91 gid=100");
	CHECK(std::string(latest.message_name(73)) == "TASK_ON_CPU" && std::string(old.message_name(73)) == "TASK_LATCHED");
	CHECK(latest.message_name(9) == nullptr && latest.message_bytes(GS_MSG_TASK_NEW) == 56);
	CHECK(latest.expected_attach_type(GS_HOOK_PICK_NEXT_TASK) == 0x5b07d0);
}

// Whether what points to a T can be had from a T of this value category: not from a temporary.
template <typename T, typename = void> struct Indexes : std::false_type {};
template <typename T> struct Indexes<T, std::void_t<decltype(std::declval<T>()[0])>> : std::true_type {};
template <typename T, typename = void> struct Commits : std::false_type {};
template <typename T> struct Commits<T, std::void_t<decltype(std::declval<T>().commit())>> : std::true_type {};
static_assert(Indexes<gs::StatusWords &>::value && Indexes<const gs::StatusWords &>::value);
static_assert(!Indexes<gs::StatusWords>::value && !Indexes<const gs::StatusWords>::value);
static_assert(Indexes<gs::Transactions &>::value && Indexes<const gs::Transactions &>::value);
static_assert(!Indexes<gs::Transactions>::value && !Indexes<const gs::Transactions>::value);
static_assert(Commits<gs::CpuSet &>::value && Commits<const gs::CpuSet &>::value && !Commits<gs::CpuSet>::value);
static_assert(!std::is_constructible_v<gs::StatusWord, gs_status_words, std::uint32_t>);
static_assert(!std::is_constructible_v<gs::Transaction, gs_transactions, std::uint32_t>);
static_assert(!std::is_constructible_v<gs::Text<8>, int> && !std::is_constructible_v<gs::Text<8>, gs::Text<9> &>);

void a_text_is_copied()
{
	gs::Text<48> a = gs::Gtid((std::int64_t{ 42 } << 41) | 7).text();
	gs::Text<48> b(a);
	CHECK(b.view() == "42/7" && a.view() == "42/7" && b.c_str() != a.c_str());
	b = gs::Gtid::agent().text();
	CHECK(b.view() == "agent" && a.view() == "42/7" && b.status().ok());
}

void a_gtid_is_tid_and_sequence_number()
{
	const gs::Gtid gtid((std::int64_t{ 4242 } << 41) | 17);
	CHECK(*gtid.tid() == 4242 && *gtid.seqnum() == 17 && gtid.text().view() == "4242/17");
	CHECK(!gs::Gtid::agent().is_task() && gs::Gtid::agent().text().view() == "agent");
	CHECK(gs::Gtid::null().tid().status() == gs::Status(GS_ERR_NO_TASK));
	CHECK(gtid.tid(1).status() == gs::Status(GS_ERR_ARGUMENT));
	std::unordered_set<gs::Gtid> set{ gtid, gtid, gs::Gtid::idle() };
	CHECK(set.size() == 2);
}

void a_message_goes_to_bytes_and_back()
{
	const std::uint8_t bytes[] = { 72, 0, 16, 0, 3, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0 };
	const auto message = gs::Message::decode(gs::Abi::latest(), bytes, sizeof bytes);
	CHECK(message && message->number() == GS_MSG_TASK_AFFINITY_CHANGED && message->seqnum() == 3);
	CHECK(message->gtid() == gs::Gtid(7) && !message->cpu() && !message->runtime_ns() && message->is_task());
	CHECK(message->text().view() == "TASK_AFFINITY_CHANGED #3 7");
	std::uint8_t back[16] = {};
	std::size_t need = 0;
	CHECK(gs_message_encode(&message->raw(), back, sizeof back, &need) == GS_OK && need == 16);
	CHECK(std::memcmp(bytes, back, sizeof bytes) == 0);
	CHECK(gs_message_encode(&message->raw(), back, 15, &need) == GS_ERR_NO_ROOM);
	CHECK(gs::Message::decode(gs::Abi::latest(), bytes, 15).status() == gs::Status(GS_ERR_TRUNCATED));
	CHECK(gs::Message::decode(gs::Abi::latest(), nullptr, 8).status() == gs::Status(GS_ERR_NULL));
	const std::uint8_t unknown[] = { 99, 0, 11, 0, 1, 0, 0, 0, 1, 2, 3 };
	CHECK(!gs::Message::decode(gs::Abi(), bytes, sizeof bytes).ok()); // of no version
	CHECK(gs::Abi::of(70)->version() == 0 && !gs::Abi::negotiate("70\n").ok());
	const auto future = gs::Message::decode(gs::Abi::latest(), unknown, sizeof unknown);
	CHECK(future && !future->is_known() && future->raw().unknown_length == 3 && future->raw().unknown[2] == 3);
	CHECK(gs_message_encode(&future->raw(), back, sizeof back, &need) == GS_OK && need == 11);
	gs_message changed = future->raw();
	changed.unknown_length = GS_UNKNOWN_BYTES + 1;
	CHECK(gs_message_encode(&changed, back, sizeof back, &need) == GS_ERR_TOO_LONG);
	changed.has = 0;
	CHECK(gs_message_encode(&changed, back, sizeof back, &need) == GS_ERR_NOT_IN_ABI);
	// The structure of the ABI header is the same bytes.
	gs_abi_task_affinity_changed payload;
	std::memcpy(&payload, bytes + GS_MESSAGE_HEADER_BYTES, sizeof payload);
	CHECK(payload.gtid == 7);
}

void a_queue_lends_and_loses_nothing()
{
	peer *kernel = peer_create(91, 1, 256, 1);
	std::size_t len = 0;
	void *base = peer_queue(kernel, 0, &len);
	auto found = gs::Queue::at(base, len, gs::Abi::latest());
	CHECK(found.ok());
	gs::Queue queue = *std::move(found);
	CHECK(queue.slots() == 256 && queue.peek().status() == gs::Status(GS_NONE));
	CHECK(queue.consume() == gs::Status(GS_ERR_NOT_PEEKED));
	const std::int64_t gtid = peer_spawn(kernel, 0, 1, 0);
	CHECK(queue.peek()->gtid() == gs::Gtid(gtid) && queue.peek()->gtid() == gs::Gtid(gtid));
	CHECK(queue.used() == 7);
	gs::Queue moved = std::move(queue);
	CHECK(queue.peek().status() == gs::Status(GS_ERR_NOT_INITIALISED));
	CHECK(moved.consume().ok() && moved.used() == 0);
	for (int count = 0; count < 100; count++)
		CHECK(peer_change_affinity(kernel, gtid) == 0);
	std::uint32_t seqnum = 1;
	gs::Drain drain = moved.drain();
	for (const gs::Message &message : drain)
		CHECK(message.seqnum() == ++seqnum);
	CHECK(seqnum == 101 && drain.status() == gs::Status(GS_NONE));
	// 128 of them would fit, but the ring goes around at an odd slot, where a filler takes one.
	for (int count = 0; count < 200; count++)
		CHECK(peer_change_affinity(kernel, gtid) == 0);
	gs::Drain holes = moved.drain();
	for (const gs::Message &message : holes)
		CHECK(message.seqnum() == ++seqnum);
	CHECK(holes.status() == gs::Status(GS_ERR_OVERFLOW) && moved.overflow() == 73);
	gs::Drain rest = moved.drain();
	for (const gs::Message &message : rest)
		CHECK(message.seqnum() == ++seqnum);
	CHECK(rest.status() == gs::Status(GS_NONE) && seqnum == 228);
	peer_free(kernel);
}

gs::Status take_one(gs::Queue &queue, std::uint32_t &seqnum)
{
	for (const gs::Message &message : queue.drain()) {
		seqnum = message.seqnum();
		return gs::Status(); // the rest is for later
	}
	return gs::Status(GS_NONE);
}

void what_a_loop_did_not_look_at_stays_in_the_queue()
{
	peer *kernel = peer_create(91, 1, 256, 1);
	std::size_t len = 0;
	void *base = peer_queue(kernel, 0, &len);
	auto queue = *gs::Queue::at(base, len, gs::Abi::latest());
	const std::int64_t gtid = peer_spawn(kernel, 0, 1, 0);
	for (int count = 0; count < 4; count++)
		CHECK(peer_change_affinity(kernel, gtid) == 0);
	CHECK(queue.used() == 7 + 4 * 2);
	std::uint32_t seqnum = 0;
	CHECK(take_one(queue, seqnum).ok() && seqnum == 1); // the first of 5
	CHECK(queue.used() == 4 * 2 && queue.peek()->seqnum() == 2);
	CHECK(take_one(queue, seqnum).ok() && seqnum == 2 && queue.used() == 3 * 2);
	{
		gs::Drain drain = queue.drain(); // nothing is looked at
		CHECK(drain.status().ok());
		CHECK(drain.begin() != drain.end());
	}
	CHECK(queue.used() == 3 * 2);
	{
		gs::Drain drain = queue.drain();
		for (const gs::Message &message : drain)
			if (message.seqnum() == 3)
				break;
		for (const gs::Message &message : drain) { // goes on behind it
			CHECK(message.seqnum() == 4);
			break;
		}
		CHECK(queue.used() == 3 * 2 && drain.stop().ok() && queue.used() == 1 * 2);
		CHECK(queue.peek()->seqnum() == 5 && drain.stop().ok());
	}
	CHECK(queue.used() == 2 && take_one(queue, seqnum).ok() && seqnum == 5 && queue.used() == 0);
	CHECK(take_one(queue, seqnum) == gs::Status(GS_NONE));
	// More than a batch, left in the middle of the second.
	for (int count = 0; count < 80; count++)
		CHECK(peer_change_affinity(kernel, gtid) == 0);
	for (const gs::Message &message : queue.drain())
		if (message.seqnum() == 5 + 40)
			break;
	CHECK(queue.used() == 40 * 2 && queue.peek()->seqnum() == 5 + 41);
	peer_free(kernel);
}

void a_batch_that_was_read_is_consumed_as_far_as_is_said()
{
	peer *kernel = peer_create(91, 1, 256, 1);
	std::size_t len = 0, count = 9;
	auto *base = static_cast<std::uint8_t *>(peer_queue(kernel, 0, &len));
	gs_queue queue;
	gs_message messages[4];
	CHECK(gs_queue_init(&queue, base, len, 91) == GS_OK);
	CHECK(gs_queue_read(&queue, messages, 4, &count) == GS_NONE && count == 0);
	CHECK(gs_queue_consume_read(&queue, 0) == GS_OK && gs_queue_consume_read(&queue, 1) == GS_ERR_NOT_PEEKED);
	const std::int64_t gtid = peer_spawn(kernel, 0, 1, 0);
	for (int times = 0; times < 5; times++)
		CHECK(peer_change_affinity(kernel, gtid) == 0);
	for (int times = 0; times < 2; times++) // it shows the same again
		CHECK(gs_queue_read(&queue, messages, 4, &count) == GS_OK && count == 4 && messages[3].seqnum == 4);
	CHECK(gs_queue_consume_read(&queue, 5) == GS_ERR_NOT_PEEKED && gs_queue_used(&queue) == 7 + 5 * 2);
	CHECK(gs_queue_consume_read(&queue, 1) == GS_OK && gs_queue_used(&queue) == 5 * 2);
	CHECK(gs_queue_consume_read(&queue, 3) == GS_OK && gs_queue_used(&queue) == 2 * 2);
	CHECK(gs_queue_consume_read(&queue, 1) == GS_ERR_NOT_PEEKED);
	CHECK(gs_queue_read(&queue, messages, 4, &count) == GS_OK && count == 2 && messages[0].seqnum == 5);
	CHECK(gs_queue_peek(&queue, messages) == GS_OK && gs_queue_consume(&queue) == GS_OK);
	CHECK(gs_queue_consume_read(&queue, 1) == GS_ERR_NOT_PEEKED && gs_queue_used(&queue) == 2);
	CHECK(gs_queue_read(nullptr, messages, 4, &count) == GS_ERR_NULL && gs_queue_consume_read(nullptr, 0) == GS_ERR_NULL);
	peer_free(kernel);
}

void a_message_of_another_abi_can_be_skipped()
{
	peer *kernel = peer_create(69, 1, 64, 1);
	std::size_t len = 0;
	void *base = peer_queue(kernel, 0, &len);
	auto queue = *gs::Queue::at(base, len, gs::Abi::latest()); // 91, which it is not
	const std::int64_t gtid = peer_spawn(kernel, 0, 1, 0);
	CHECK(peer_change_affinity(kernel, gtid) == 0 && peer_spawn(kernel, 0, 1, 0) > 0);
	CHECK(queue.peek().status() == gs::Status(GS_ERR_TOO_SHORT));
	CHECK(queue.consume().ok());
	gs_message messages[4];
	std::size_t count = 9;
	gs_queue raw;
	CHECK(gs_queue_init(&raw, static_cast<std::uint8_t *>(base), len, 91) == GS_OK);
	CHECK(gs_queue_drain(&raw, messages, 4, &count) == GS_ERR_TOO_SHORT && count == 1);
	CHECK(messages[0].number == GS_MSG_TASK_AFFINITY_CHANGED);
	CHECK(gs_queue_consume(&raw) == GS_OK && gs_queue_used(&raw) == 0);
	CHECK(peer_change_affinity(kernel, gtid) == 0 && peer_spawn(kernel, 0, 1, 0) > 0);
	CHECK(peer_change_affinity(kernel, gtid) == 0);
	CHECK(gs_queue_read(&raw, messages, 4, &count) == GS_ERR_TOO_SHORT && count == 1);
	CHECK(gs_queue_consume(&raw) == GS_ERR_NOT_PEEKED);
	CHECK(gs_queue_read(&raw, messages, 4, &count) == GS_ERR_TOO_SHORT && count == 1);
	CHECK(gs_queue_consume_read(&raw, 1) == GS_OK && gs_queue_consume(&raw) == GS_OK);
	CHECK(gs_queue_read(&raw, messages, 4, &count) == GS_OK && count == 1);
	CHECK(gs_queue_consume_read(&raw, 1) == GS_OK && gs_queue_used(&raw) == 0);
	peer_free(kernel);
}

void status_words_tell_what_the_kernel_says()
{
	peer *kernel = peer_create(91, 2, 64, 1);
	std::size_t len = 0;
	const void *base = peer_status_words(kernel, &len);
	const auto words = gs::StatusWords::at(base, len);
	CHECK(words && words->count() == GS_STATUS_WORD_REGION_CAPACITY);
	std::uint32_t agent = 99;
	CHECK(peer_add_agent(kernel, 1, 0, &agent) == 0);
	const std::int64_t gtid = peer_spawn(kernel, 0, 1, 0);
	int count = 0;
	words->for_each_in_use([&](std::uint32_t index, const gs_status_word &word) {
		count++;
		const bool is_agent = index == agent;
		CHECK(is_agent == ((word.flags & GS_SW_IS_AGENT) != 0));
		CHECK(is_agent || (word.gtid == gtid && word.barrier == 1 && (*words)[index].is_runnable()));
	});
	CHECK(count == 2 && (*words)[agent].cpu_is_available() && !(*words)[agent].is_boosted());
	CHECK(peer_set_higher_class(kernel, 1, 1) == 0 && (*words)[agent].is_boosted());
	CHECK((*words)[70'000].flags() == 0 && (*words)[70'000].read().status() == gs::Status(GS_ERR_RANGE));
	CHECK(gs::StatusWords::at(base, 63).status() == gs::Status(GS_ERR_TOO_SMALL));
	CHECK(gs::StatusWords::at(static_cast<const char *>(base) + 4, 640).status() == gs::Status(GS_ERR_MISALIGNED));
	peer_free(kernel);
}

void a_transaction_goes_its_way()
{
	peer *kernel = peer_create(91, 2, 64, 1);
	CHECK(peer_add_agent(kernel, 0, 0, nullptr) == 0 && peer_add_agent(kernel, 1, 0, nullptr) == 0);
	CHECK(peer_run(kernel, 0, 1, 0) == 0);
	std::size_t len = 0;
	void *base = peer_cpu_data(kernel, &len);
	const auto txns = gs::Transactions::at(base, len);
	CHECK(txns && txns->count() == 2);
	const auto txn = (*txns)[1];
	const gs::Gtid gtid(peer_spawn(kernel, 0, 1, 0));
	const auto request = gs::Request::run(gtid, 1).commit_flags(GS_COMMIT_AT_TXN_COMMIT);
	const gs::Edge taken = txn.submit(request);
	CHECK(taken && taken.found.is_ready() && txn.state()->is_ready());
	const gs::Edge again = txn.open(request);
	CHECK(!again && again.status == gs::Status(GS_LOST) && again.found.is_ready());
	CHECK(txn.wait(3).status() == gs::Status(GS_LOST));
	CHECK(txn.abort() && txn.state()->word() == GS_TXN_ABORTED && txn.state()->text().view() == "ABORTED");
	CHECK(!txn.abort());
	CHECK(!txn.open(request).found.is_committed() && txn.submit());
	CHECK(txn.abort().found.word() == GS_TXN_ABORTED);
	CHECK(txn.open(request) && txn.submit());
	gs::CpuSet cpus;
	cpus.insert(1);
	CHECK(peer_commit(kernel, &cpus.raw(), sizeof cpus.raw(), 0) == 0);
	CHECK(txn.is_committed() && txn.wait(0)->is_committed() && peer_running(kernel, 1) == gtid.raw());
	CHECK(txn.read()->request.gtid == gtid.raw() && txn.read()->cpu == 1 && txn.read()->commit_time_ns > 0);
	CHECK(txn.submit(gs::Request::run(gtid, 9).commit_flags(GS_COMMIT_AT_TXN_COMMIT)));
	CHECK(peer_commit(kernel, &cpus.raw(), sizeof cpus.raw(), 0) == 0);
	CHECK(txn.state()->word() == GS_TXN_TARGET_STALE && txn.state()->remedy() == GS_REMEDY_DRAIN);
	CHECK(txn.own(0).ok() && txn.own(1) == gs::Status(GS_OWNED) && txn.hand_over(0, 1).ok() && txn.disown(1).ok());
	CHECK((*txns)[2].state().status() == gs::Status(GS_ERR_RANGE));
	CHECK(txn.submit(gs::Request::unschedule().commit_flags(GS_COMMIT_AT_TXN_COMMIT)));
	CHECK(peer_commit(kernel, &cpus.raw(), sizeof cpus.raw(), 0) == 0 && peer_running(kernel, 1) == 0);
	peer_free(kernel);
}

void what_cannot_be_asked_is_not_committed()
{
	auto cpu_data = *gs::Mapping::anonymous(2 * GS_CPU_DATA_BYTES);
	const auto txns = *gs::Transactions::at(cpu_data);
	const auto absent = txns[2];
	const auto is_nothing = [](gs::TxnState state) {
		return !state.is_known() && !state.is_committed() && !state.is_ready() && !state.is_claimed() &&
		       !state.is_final() && state.remedy() == GS_REMEDY_MISTAKE;
	};
	CHECK(is_nothing(*absent.wait(3)) && is_nothing(*absent.state()) && !absent.is_committed());
	const auto request = gs::Request::unschedule();
	for (const gs::Edge edge : { absent.submit(request), absent.submit(), absent.open(request), absent.abort() })
		CHECK(edge.status == gs::Status(GS_ERR_RANGE) && is_nothing(edge.found));
	CHECK(is_nothing(gs::TxnState()) && gs::TxnState() != gs::TxnState(-1) && is_nothing(gs::Edge().found));
	const gs::Transactions none;
	CHECK(is_nothing(*none[0].wait(0)));
	// An end of a newer kernel is one, and no success.
	const gs::TxnState newer(GS_TXN_COMPLETE + 99);
	CHECK(newer.is_final() && !newer.is_committed() && newer.remedy() == GS_REMEDY_DRAIN_FROM_BARRIER);
}

void a_set_of_cpus_is_a_value()
{
	const auto set = gs::CpuSet::parse_list("0-3,8,1023");
	CHECK(set && set->count() == 6 && set->contains(1023) && !set->contains(1024));
	std::vector<std::uint32_t> cpus(set->begin(), set->end());
	CHECK((cpus == std::vector<std::uint32_t>{ 0, 1, 2, 3, 8, 1023 }));
	CHECK(set->list().view() == "0-3,8,1023" && set->nth(4) == 8u && set->next_after(8) == 1023u);
	gs::CpuSet other = *gs::CpuSet::parse_mask("1ff");
	CHECK((*set & other).count() == 5 && (*set | other).count() == 10 && (*set - other).count() == 1);
	CHECK((*set ^ other).count() == 5 && other.mask().view() == "1ff");
	CHECK(other.remove(0) && !other.remove(0) && other.insert(0) && !other.insert(5000));
	CHECK(gs::CpuSet::parse_list("3-1").status() == gs::Status(GS_ERR_TEXT));
	CHECK(gs::CpuSet().empty() && !gs::CpuSet().first() && gs::CpuSet() != *set);
	CHECK(set->commit().mask_len == 128);
	const gs::CpuSet both = *set | other;
	CHECK(both.commit().mask_ptr == reinterpret_cast<std::uintptr_t>(&both.raw()));
	std::uint32_t sum = 0;
	for (const std::uint32_t cpu : *gs::CpuSet::parse_list("1,2,40")) // of a Result that is gone
		sum += cpu;
	CHECK(sum == 43);
}

void a_table_of_tasks_keeps_what_the_agent_knows()
{
	gs::TaskTable<std::uint64_t, 64> tasks;
	for (std::int64_t round = 0; round < 10; round++) {
		for (std::int64_t number = 1; number <= 48; number++) {
			auto task = tasks.insert(gs::Gtid(round * 100 + number), 1);
			CHECK(task.ok());
			(*task)->state = static_cast<std::uint64_t>(number);
		}
		CHECK(tasks.insert(gs::Gtid(5000), 1).status() == gs::Status(GS_ERR_FULL));
		CHECK(tasks.insert(gs::Gtid(round * 100 + 1), 1).status() == gs::Status(GS_ERR_EXISTS));
		std::uint64_t sum = 0;
		tasks.for_each([&](const auto &task) { sum += task.state; });
		CHECK(sum == 48 * 49 / 2 && tasks.size() == 48);
		for (std::int64_t number = 48; number >= 1; number--) {
			const gs::Gtid gtid(round * 100 + number);
			CHECK(tasks.find(gtid) && tasks.find(gtid)->state == static_cast<std::uint64_t>(number));
			CHECK(tasks.remove(gtid) && !tasks.remove(gtid) && !tasks.find(gtid));
		}
	}
	CHECK(tasks.insert(gs::Gtid::agent(), 1).status() == gs::Status(GS_ERR_NO_TASK));
	CHECK(tasks.insert(gs::Gtid(7), 0xffffffff).ok());
	gs::Message message;
	CHECK(tasks.apply(message).status() == gs::Status(GS_ERR_UNKNOWN_TASK)); // of no thread
	message.raw().has = GS_HAS_GTID;
	message.raw().gtid = 7;
	message.raw().seqnum = 2;
	CHECK((*tasks.apply(message))->seqnum == 2);
	CHECK(tasks.apply(message).status() == gs::Status(GS_STALE));
	message.raw().gtid = 8;
	CHECK(tasks.apply(message).status() == gs::Status(GS_ERR_UNKNOWN_TASK));
}

void a_mapping_goes_with_its_owner()
{
	auto mapping = gs::Mapping::anonymous(gs_queue_bytes(64));
	CHECK(mapping && mapping->len() >= 4096);
	CHECK(gs_queue_format(static_cast<std::uint8_t *>(mapping->base()), mapping->len(), 64) == GS_OK);
	CHECK(gs_queue_format(static_cast<std::uint8_t *>(mapping->base()), mapping->len(), 63) == GS_ERR_LAYOUT);
	gs::Mapping moved = *std::move(mapping);
	CHECK(gs::Queue::at(moved, gs::Abi::latest())->slots() == 64);
	CHECK(gs::Mapping::of(-1, 4096).status() == gs::Status(GS_ERR_SYSTEM));
	// The peer takes pages of the caller's too.
	auto words = *gs::Mapping::anonymous(GS_STATUS_WORD_REGION_BYTES);
	auto cpu_data = *gs::Mapping::anonymous(2 * GS_CPU_DATA_BYTES);
	peer *kernel = peer_create_in(84, 2, 1, words.base(), words.len(), cpu_data.base(), cpu_data.len());
	CHECK(kernel && peer_add_queue(kernel, 64, moved.base(), moved.len()) == 0);
	CHECK(peer_spawn(kernel, 0, 1, 0) > 0);
	CHECK(gs::Queue::at(moved, *gs::Abi::of(84))->peek()->number() == GS_MSG_TASK_NEW);
	peer_free(kernel);
}

void a_pnt_ring_gives_what_was_pushed()
{
	static gs_pnt_ring memory;
	auto ring = gs::PntRing::init(memory, GS_PNT_SINGLE);
	gs_pnt_task task{};
	task.gtid = 7;
	const auto ticket = ring.push(task);
	CHECK(ticket.ok());
	{
		auto claim = ring.pop(3);
		CHECK(claim && claim->task().gtid == 7 && claim->is_held() && !ring.revoke(*ticket) && !ring.pop(4));
	} // which puts it back
	{
		auto claim = ring.pop(2);
		CHECK(claim.has_value());
		Claim moved = std::move(*claim);
		CHECK(!claim->is_held() && moved.is_held());
		claim->complete(); // changes nothing
		claim.reset();
		CHECK(!ring.pop(3));
		moved.complete();
		moved.put_back(); // no more
	}
	CHECK(!ring.pop(3));
	const auto second = ring.push(task);
	CHECK(second && *second != *ticket && ring.revoke(*second) && !ring.revoke(*second) && !ring.pop(3));
	CHECK(ring.push(task).ok() && ring.push(task).ok());
	{
		Claim first = *ring.pop(0), next = *ring.pop(1);
		first = std::move(next); // the first is put back
		CHECK(first.is_held() && ring.pop(2).has_value());
		first.complete();
	}
	std::uint32_t left = 0;
	while (auto claim = ring.pop(0)) {
		claim->complete();
		left++;
	}
	CHECK(left == 1);
}

void a_pnt_ring_says_why_it_takes_nothing()
{
	static gs_pnt_ring first, second, third;
	gs_pnt_task task{};
	gs::PntRing none(third);
	CHECK(none.push(task).status() == gs::Status(GS_ERR_RING_KIND) && !none.pop(0));
	auto from = gs::PntRing::init(first, GS_PNT_SINGLE), to = gs::PntRing::init(second, GS_PNT_EARLIEST);
	task.gtid = 1;
	const auto ticket = from.push(task);
	const auto moved = from.move(*ticket, to);
	CHECK(moved.ok() && !from.pop(0) && from.move(*ticket, to).status() == gs::Status(GS_LOST));
	CHECK(to.move(*moved, none).status() == gs::Status(GS_ERR_RING_KIND));
	std::uint32_t pushed = 1;
	gs::Status status;
	for (; (status = to.push(task).status()).ok(); pushed++)
		CHECK(pushed < 1000);
	CHECK(status == gs::Status(GS_ERR_RING_FULL) && pushed == GS_PNT_SLOTS);
	CHECK(std::string(status.text()) == "the ring is full");
	const auto again = from.push(task);
	CHECK(from.move(*again, to).status() == gs::Status(GS_ERR_RING_FULL));
	auto claim = from.pop(0); // where it was
	CHECK(claim && claim->task().gtid == 1);
	claim->complete();
}

void a_pnt_ring_tells_each_failure_once()
{
	static gs_pnt_ring memory;
	auto ring = gs::PntRing::init(memory, GS_PNT_SHARED);
	std::uint64_t tickets[5] = {};
	for (std::uint64_t number = 0; number < 5; number++) {
		gs_pnt_task task{};
		task.gtid = 100 + number;
		tickets[number] = *ring.push(task);
	}
	for (std::uint32_t cpu = 0; cpu < 4; cpu++)
		ring.pop(cpu)->fail(GS_TXN_TARGET_STALE);
	std::uint64_t seen = 0;
	for (const gs::PntRing::Failure &failure : ring.failures()) {
		CHECK(failure.task.gtid == 100 + seen && failure.ticket == tickets[seen]);
		CHECK(failure.state.word() == GS_TXN_TARGET_STALE && !failure.state.is_committed());
		if (++seen == 2)
			break; // the others stay
	}
	for (const gs::PntRing::Failure &failure : ring.failures())
		CHECK(failure.task.gtid == 100 + seen++);
	CHECK(seen == 4);
	gs::PntRing::Failures rest = ring.failures();
	CHECK(!(rest.begin() != rest.end()));
	auto claim = ring.pop(0);
	CHECK(claim && claim->task().gtid == 104);
}

void every_status_has_a_text()
{
	CHECK(std::string(gs::Status(GS_ERR_FULL).text()) == "the table is full: lend it more slots");
	CHECK(std::string(gs_status_text(4711)) == "unknown status");
	CHECK(gs::Status(GS_NONE).is_error() == false && !gs::Status(GS_NONE).ok());
}

void two_units_share_the_header()
{
	CHECK(of_the_other_unit() == 3);
}

} // namespace

int main(int argc, char **argv)
{
	if (argc > 1)
		prefix = argv[1];
	TEST(an_abi_is_found_and_told_apart);
	TEST(a_text_is_copied);
	TEST(a_gtid_is_tid_and_sequence_number);
	TEST(a_message_goes_to_bytes_and_back);
	TEST(a_queue_lends_and_loses_nothing);
	TEST(what_a_loop_did_not_look_at_stays_in_the_queue);
	TEST(a_batch_that_was_read_is_consumed_as_far_as_is_said);
	TEST(a_message_of_another_abi_can_be_skipped);
	TEST(status_words_tell_what_the_kernel_says);
	TEST(a_transaction_goes_its_way);
	TEST(what_cannot_be_asked_is_not_committed);
	TEST(a_set_of_cpus_is_a_value);
	TEST(a_table_of_tasks_keeps_what_the_agent_knows);
	TEST(a_mapping_goes_with_its_owner);
	TEST(a_pnt_ring_gives_what_was_pushed);
	TEST(a_pnt_ring_says_why_it_takes_nothing);
	TEST(a_pnt_ring_tells_each_failure_once);
	TEST(every_status_has_a_text);
	TEST(two_units_share_the_header);
	return failed_tests != 0;
}
