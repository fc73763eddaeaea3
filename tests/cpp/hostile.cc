// Memory that says anything: random bytes, and random words changed while it is read. Every answer is a status or a value.
// Memory ends at a page that is not mapped, and valgrind sees the rest: nothing outside is touched, and everything ends.

#include <atomic>
#include <cstring>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "check.hpp"
#include "ghostsched.hpp"

namespace gs = ghostsched;

namespace {

std::mt19937_64 random_bits(20'241'123);

std::uint64_t below(std::uint64_t limit)
{
	return random_bits() % limit;
}

// `len` random bytes that end, but for what `align` takes, where nothing is mapped: a read behind them ends the program,
// also one by code that no sanitizer has instrumented.
struct Bytes {
	Bytes(std::size_t len, std::size_t align) : len(len)
	{
		constexpr std::size_t PAGE = 4096;
		const std::size_t taken = (len + align - 1) / align * align, pages = (taken + PAGE - 1) / PAGE * PAGE;
		whole = *gs::Mapping::anonymous(pages + PAGE);
		auto *first = static_cast<std::uint8_t *>(whole.base());
		CHECK(mprotect(first + pages, PAGE, PROT_NONE) == 0);
		base = first + pages - taken;
		for (std::size_t at = 0; at < len; at++)
			base[at] = static_cast<std::uint8_t>(random_bits());
	}
	gs::Mapping whole;
	std::uint8_t *base;
	std::size_t len;
};

void any_bytes_are_a_message_or_an_error()
{
	std::size_t decoded = 0;
	for (int round = 0; round < 20'000; round++) {
		std::vector<std::uint8_t> bytes(below(80));
		for (auto &byte : bytes)
			byte = static_cast<std::uint8_t>(random_bits());
		if (bytes.size() >= 4 && below(2)) { // as if it were one
			bytes[0] = static_cast<std::uint8_t>(below(140));
			bytes[1] = 0;
			bytes[2] = static_cast<std::uint8_t>(below(bytes.size() + 2));
			bytes[3] = 0;
		}
		const std::uint32_t versions[] = { 69, 84, 90, 91 };
		const gs::Abi abi = *gs::Abi::of(versions[below(4)]);
		const auto message = gs::Message::decode(abi, bytes.data(), bytes.size());
		if (!message)
			continue;
		decoded++;
		CHECK(!message->text().view().empty());
		std::uint8_t back[64];
		std::size_t need = 0;
		CHECK(gs_message_encode(&message->raw(), back, sizeof back, &need) <= 0 && need <= sizeof back);
	}
	CHECK(decoded > 1000);
	for (int round = 0; round < 20'000; round++) { // any value can be written and described
		gs_message any;
		for (std::size_t at = 0; at < sizeof any; at++)
			reinterpret_cast<std::uint8_t *>(&any)[at] = static_cast<std::uint8_t>(random_bits());
		any.abi = below(4) ? 91 : any.abi;
		any.number = static_cast<std::uint16_t>(below(140));
		std::uint8_t bytes[64];
		char text[192];
		std::size_t need = 0;
		(void)gs_message_encode(&any, bytes, below(65), &need);
		(void)gs_message_text(&any, text, below(193), nullptr);
	}
}

void any_memory_is_a_queue_or_an_error()
{
	std::size_t queues = 0, messages = 0;
	for (int round = 0; round < 2'000; round++) {
		const std::uint32_t slots = 1u << below(9);
		const std::size_t ring = 64 + 12 + 8 * slots;
		const Bytes memory(below(4) ? ring : below(8192), 4);
		if (memory.len >= 64 && below(8)) { // a header that could be
			const std::uint32_t header[] = { 0, 64, slots };
			std::memcpy(memory.base, header, sizeof header);
			if (memory.len >= 76 && below(4)) { // and indices
				std::uint32_t head, tail;
				std::memcpy(&tail, memory.base + 68, 4);
				head = tail + static_cast<std::uint32_t>(below(slots + 2));
				std::memcpy(memory.base + 64, &head, 4);
			}
			for (std::size_t at = 76; at + 8 <= memory.len && at < 76 + 8 * slots; at += 8)
				if (below(2)) { // and headers of messages
					const std::uint16_t words[] = { static_cast<std::uint16_t>(below(140)),
									static_cast<std::uint16_t>(below(70)) };
					std::memcpy(memory.base + at, words, sizeof words);
				}
		}
		auto queue = gs::Queue::at(memory.base, memory.len, gs::Abi::latest());
		if (!queue)
			continue;
		queues++;
		for (int turn = 0; turn < 4; turn++) {
			gs::Drain drain = queue->drain();
			for (const gs::Message &message : drain)
				messages += message.seqnum() != 1;
			if (drain.status() == gs::Status(GS_ERR_TOO_SHORT)) {
				(void)queue->consume();
			} else if (drain.status().is_error()) {
				CHECK(queue->resync().ok());
			}
		}
		(void)queue->resync();
		CHECK(queue->peek().status() != gs::Status(GS_ERR_PANIC));
	}
	CHECK(queues > 500 && messages > 100);
}

void any_memory_is_status_words_or_an_error()
{
	std::size_t regions = 0;
	for (int round = 0; round < 500; round++) {
		const Bytes memory(below(4096), 64);
		if (memory.len >= 64 && below(8)) {
			const std::uint32_t header[] = { 0, 7, 0, static_cast<std::uint32_t>(32 * below(6)), 65'534 };
			std::memcpy(memory.base, header, sizeof header);
		}
		const auto words = gs::StatusWords::at(memory.base, memory.len);
		if (!words)
			continue;
		regions++;
		CHECK(words->count() <= memory.len / 32);
		std::uint32_t seen = 0;
		words->for_each_in_use([&](std::uint32_t index, const gs_status_word &) { seen += index < words->count(); });
		CHECK(seen <= words->count());
		(void)(*words)[words->count()].flags();
		(void)(*words)[0xffffffff].read();
	}
	CHECK(regions > 50);
}

void any_memory_is_transactions()
{
	for (int round = 0; round < 50; round++) {
		const Bytes memory(below(4 * 4096), 4096);
		const auto txns = gs::Transactions::at(memory.base, memory.len);
		CHECK(txns && txns->count() == memory.len / 4096);
		for (std::uint32_t cpu = 0; cpu < 5; cpu++) {
			const auto txn = (*txns)[cpu];
			const bool is_final = txn.state() && txn.state()->is_final();
			CHECK(static_cast<bool>(txn.open(gs::Request::unschedule())) == is_final);
			(void)txn.wait(10);
			(void)txn.abort();
			(void)txn.own(1);
			(void)txn.disown(1);
			(void)txn.state()->text();
		}
	}
}

void a_writer_meanwhile_changes_nothing_of_that()
{
	constexpr std::size_t SLOTS = 64;
	const Bytes memory(64 + 12 + 8 * SLOTS, 4);
	CHECK(gs_queue_format(memory.base, memory.len, SLOTS) == GS_OK);
	std::atomic<bool> stop{ false };
	std::thread writer([&] {
		std::mt19937_64 bits(7);
		while (!stop.load(std::memory_order_relaxed)) {
			const std::size_t word = 16 + bits() % (memory.len / 4 - 16);
			__atomic_store_n(reinterpret_cast<std::uint32_t *>(memory.base) + word,
					 static_cast<std::uint32_t>(bits() % 0x4'0090), __ATOMIC_RELAXED);
		}
	});
	auto queue = *gs::Queue::at(memory.base, memory.len, gs::Abi::latest());
	std::size_t answers = 0;
	for (int round = 0; round < 20'000; round++) {
		const auto message = queue.peek();
		answers += message.ok();
		if (message || message.status() == gs::Status(GS_ERR_TOO_SHORT))
			(void)queue.consume();
		else if (message.status().is_error())
			(void)queue.resync();
		CHECK(message.status() != gs::Status(GS_ERR_PANIC));
	}
	stop = true;
	writer.join();
	CHECK(answers < 20'001);
}

void null_and_misaligned_pointers_are_errors()
{
	gs_message message;
	gs_queue queue{};
	alignas(8) std::uint8_t bytes[16] = {};
	CHECK(gs_message_decode(91, bytes, 16, nullptr) == GS_ERR_NULL);
	CHECK(gs_message_decode(91, nullptr, 16, &message) == GS_ERR_NULL);
	CHECK(gs_message_decode(91, bytes, SIZE_MAX, &message) == GS_ERR_TOO_LONG);
	CHECK(gs_queue_peek(nullptr, &message) == GS_ERR_NULL && gs_queue_peek(&queue, &message) == GS_ERR_NOT_INITIALISED);
	CHECK(gs_queue_init(&queue, nullptr, 4096, 91) == GS_ERR_NULL);
	alignas(8) std::uint8_t room[sizeof(gs_message) + 8];
	bytes[2] = 8;
	CHECK(gs_message_decode(91, bytes, 16, reinterpret_cast<gs_message *>(room)) == GS_OK);
	CHECK(gs_message_decode(91, bytes, 16, reinterpret_cast<gs_message *>(room + 1)) == GS_ERR_MISALIGNED);
	CHECK(gs_queue_drain(&queue, nullptr, 4, nullptr) == GS_ERR_NULL);
	CHECK(gs_queue_overflow(nullptr) == 0 && gs_cpuset_first(nullptr) == -1 && gs_tasks_count(nullptr) == 0);
	CHECK(!gs_cpuset_insert(nullptr, 1) && gs_message_name(0, 64) == nullptr);
	CHECK(gs_tasks_init(nullptr, nullptr, 0) != GS_OK && gs_txn_abort(nullptr, 0, nullptr) == GS_ERR_NULL);
	CHECK(gs_abi_describe(91, nullptr) == GS_ERR_NULL && gs_gtid_split(7, 0, nullptr, nullptr) == GS_OK);
	gs_transactions other{};
	CHECK(gs_transactions_init(&other, bytes, 0) == GS_ERR_MISALIGNED && gs_transactions_count(&other) == 0);
	CHECK(gs_queue_used(reinterpret_cast<gs_queue *>(&other)) == 0);
	const char not_utf8[] = { '1', static_cast<char>(0xff) };
	gs_cpuset set;
	CHECK(gs_cpuset_parse_list(not_utf8, 2, &set) == GS_ERR_TEXT);
}

} // namespace

int main(int argc, char **argv)
{
	if (argc > 1)
		prefix = argv[1];
	TEST(any_bytes_are_a_message_or_an_error);
	TEST(any_memory_is_a_queue_or_an_error);
	TEST(any_memory_is_status_words_or_an_error);
	TEST(any_memory_is_transactions);
	TEST(a_writer_meanwhile_changes_nothing_of_that);
	TEST(null_and_misaligned_pointers_are_errors);
	return failed_tests != 0;
}
