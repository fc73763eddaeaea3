/*
 * ghostsched for C++17: values over the views of ghostsched.h. Throws nothing, allocates nothing, compiles without exceptions
 * and without run-time type information.
 *
 * What can fail returns a Status, or a Result that has a value or a Status. A class that releases something (Mapping) or must
 * have one user (Queue, PntRing::Claim) can be moved and not copied; the others are plain values. Memory behind a Queue,
 * StatusWords or Transactions has to stay mapped while they are used, and be there: see Mapping.
 */
#ifndef GHOSTSCHED_HPP
#define GHOSTSCHED_HPP

#if __cplusplus < 201703L
#error "ghostsched.hpp needs C++17: compile with -std=c++17 or newer"
#endif

#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "ghostsched.h"
#include "ghostsched_pnt.h"

namespace ghostsched {

/* What a call answered: done, an answer that is no failure (GS_NONE, GS_LOST, GS_OWNED, GS_STALE), or an error. */
class [[nodiscard]] Status {
public:
	constexpr Status(gs_status code = GS_OK) noexcept : code_(code) {}

	constexpr gs_status code() const noexcept { return code_; }
	constexpr bool ok() const noexcept { return code_ == GS_OK; }
	constexpr bool is_error() const noexcept { return code_ < 0; }
	constexpr explicit operator bool() const noexcept { return ok(); }
	const char *text() const noexcept { return gs_status_text(code_); }

	friend constexpr bool operator==(Status a, Status b) noexcept { return a.code_ == b.code_; }
	friend constexpr bool operator!=(Status a, Status b) noexcept { return a.code_ != b.code_; }

private:
	gs_status code_;
};

/* What went wrong in this thread's last call that failed, with its numbers. Changed by the next failure. */
inline const char *last_error() noexcept
{
	return gs_last_error();
}

/* A value, or why there is none. Where there is none, *result is a value made by T's default constructor. */
template <typename T> class [[nodiscard]] Result {
	static_assert(std::is_nothrow_default_constructible_v<T> && std::is_nothrow_move_constructible_v<T>);

public:
	Result(Status status) noexcept : status_(status) {}
	Result(gs_status code) noexcept : status_(code) {}
	Result(T value) noexcept : value_(std::move(value)) {}
	Result(Status status, T value) noexcept : status_(status), value_(std::move(value)) {}

	Status status() const noexcept { return status_; }
	bool ok() const noexcept { return status_.ok(); }
	explicit operator bool() const noexcept { return ok(); }

	const T &operator*() const & noexcept { return value_; }
	T &operator*() & noexcept { return value_; }
	/* By value, so that nothing points into a Result that is gone: `for (auto cpu : *CpuSet::parse_list(text))`. */
	T operator*() && noexcept { return std::move(value_); }
	const T *operator->() const noexcept { return &value_; }
	T *operator->() noexcept { return &value_; }
	T value_or(T otherwise) && noexcept { return ok() ? std::move(value_) : std::move(otherwise); }

private:
	Status status_;
	T value_{};
};

/* A text of at most N - 1 characters; what was longer is cut off. */
template <std::size_t N> class Text {
public:
	Text() noexcept { text_[0] = '\0'; }
	/* Filled by a function of ghostsched.h that writes a text. */
	template <typename Write,
		  typename = std::enable_if_t<std::is_invocable_r_v<gs_status, Write &, char *, std::size_t, std::size_t *>>>
	explicit Text(Write &&write) noexcept : Text()
	{
		std::size_t need = 0;
		status_ = write(text_.data(), N, &need);
		length_ = need < N ? need : N - 1;
		if (status_.is_error() && status_ != Status(GS_ERR_NO_ROOM))
			length_ = 0;
		text_[length_] = '\0';
	}

	Status status() const noexcept { return status_; }
	const char *c_str() const noexcept { return text_.data(); }
	std::string_view view() const noexcept { return { text_.data(), length_ }; }
	operator std::string_view() const noexcept { return view(); }

private:
	std::array<char, N> text_;
	std::size_t length_ = 0;
	Status status_;
};

/* The identity of a thread, or one of three special values. */
class Gtid {
public:
	constexpr Gtid() noexcept = default;
	constexpr explicit Gtid(std::int64_t raw) noexcept : raw_(raw) {}

	/* No thread: a transaction with it takes the running ghOSt thread off its CPU. */
	static constexpr Gtid null() noexcept { return Gtid(GS_GTID_NULL); }
	/* The agent of the transaction's CPU: a ping. */
	static constexpr Gtid agent() noexcept { return Gtid(GS_GTID_AGENT); }
	/* The idle thread. */
	static constexpr Gtid idle() noexcept { return Gtid(GS_GTID_IDLE); }

	constexpr std::int64_t raw() const noexcept { return raw_; }
	constexpr bool is_task() const noexcept { return raw_ > 0; }
	/* `pid_max_max` is what /proc/sys/kernel/pid_max_max says, 0 where there is none. */
	Result<std::uint32_t> tid(std::uint32_t pid_max_max = 0) const noexcept
	{
		std::uint32_t tid = 0;
		const Status status = gs_gtid_split(raw_, pid_max_max, &tid, nullptr);
		return { status, tid };
	}
	Result<std::uint64_t> seqnum(std::uint32_t pid_max_max = 0) const noexcept
	{
		std::uint64_t seqnum = 0;
		const Status status = gs_gtid_split(raw_, pid_max_max, nullptr, &seqnum);
		return { status, seqnum };
	}
	/* "4242/17" */
	Text<48> text(std::uint32_t pid_max_max = 0) const noexcept
	{
		return Text<48>([&](char *to, std::size_t len, std::size_t *need) {
			return gs_gtid_text(raw_, pid_max_max, to, len, need);
		});
	}

	friend constexpr bool operator==(Gtid a, Gtid b) noexcept { return a.raw_ == b.raw_; }
	friend constexpr bool operator!=(Gtid a, Gtid b) noexcept { return a.raw_ != b.raw_; }
	friend constexpr bool operator<(Gtid a, Gtid b) noexcept { return a.raw_ < b.raw_; }

private:
	std::int64_t raw_ = GS_GTID_NULL;
};

/* A version of the ABI between a ghOSt kernel and its agents: 69, 84, 90 or 91. */
class Abi {
public:
	/* Of no version: all it does is fail. */
	constexpr Abi() noexcept = default;
	/* The newest. */
	static constexpr Abi latest() noexcept { return Abi(91); }

	static Result<Abi> of(std::uint32_t version) noexcept
	{
		gs_abi_info info;
		const Status status = gs_abi_describe(version, &info);
		return status.ok() ? Result<Abi>(Abi(version)) : Result<Abi>(status);
	}
	/* The newest that this library and a kernel speak, by the text of /sys/fs/ghost/version. */
	static Result<Abi> negotiate(std::string_view kernel) noexcept
	{
		std::uint32_t version = 0;
		const Status status = gs_abi_negotiate(kernel.data(), kernel.size(), &version);
		return status.ok() ? Result<Abi>(Abi(version)) : Result<Abi>(status);
	}

	constexpr std::uint32_t version() const noexcept { return version_; }
	gs_abi_info info() const noexcept
	{
		gs_abi_info info{};
		(void)gs_abi_describe(version_, &info);
		return info;
	}
	/* "TASK_NEW"; null if this ABI has no such type of message. */
	const char *message_name(std::uint16_t number) const noexcept { return gs_message_name(version_, number); }
	/* Header and payload; 0 if this ABI has no such type of message. */
	std::uint32_t message_bytes(std::uint16_t number) const noexcept { return gs_message_bytes(version_, number); }
	/* For programs of a hook, GS_HOOK_*; 0 if this ABI does not have it. */
	std::uint32_t expected_attach_type(std::int32_t hook) const noexcept
	{
		return gs_expected_attach_type(version_, hook);
	}
	/* What to write to `ctl` to become the agent of a CPU; `queue` is negative for the default queue. */
	Text<64> become_agent(std::uint32_t cpu, std::int32_t queue = -1) const noexcept
	{
		return Text<64>([&](char *to, std::size_t len, std::size_t *need) {
			return gs_become_agent_text(version_, cpu, queue, to, len, need);
		});
	}
	/* What to write to ghostfs's `ctl` to make an enclave; `group` is negative for root's. */
	Text<64> create_enclave(std::uint64_t id, std::int64_t group = -1) const noexcept
	{
		return Text<64>([&](char *to, std::size_t len, std::size_t *need) {
			return gs_create_enclave_text(version_, id, group, to, len, need);
		});
	}

	friend constexpr bool operator==(Abi a, Abi b) noexcept { return a.version_ == b.version_; }
	friend constexpr bool operator!=(Abi a, Abi b) noexcept { return a.version_ != b.version_; }

private:
	constexpr explicit Abi(std::uint32_t version) noexcept : version_(version) {}

	std::uint32_t version_ = 0;
};

/* A message, as a value. What a message of its type and ABI does not tell is absent. */
class Message {
public:
	Message() noexcept : raw_{} {}

	static Result<Message> decode(Abi abi, const void *bytes, std::size_t len) noexcept
	{
		Message message;
		const Status status =
			gs_message_decode(abi.version(), static_cast<const std::uint8_t *>(bytes), len, &message.raw_);
		return { status, message };
	}

	/* Its type, GS_MSG_*. */
	std::uint16_t number() const noexcept { return raw_.number; }
	/* The barrier of the thread or agent it is about, after it. */
	std::uint32_t seqnum() const noexcept { return raw_.seqnum; }
	bool is_task() const noexcept { return gs_message_is_task(raw_.number); }
	bool is_cpu() const noexcept { return gs_message_is_cpu(raw_.number); }
	/* Whether this library knows the type in this ABI. */
	bool is_known() const noexcept { return !has(GS_HAS_UNKNOWN); }
	/* "TASK_NEW"; null of a type that is not known. */
	const char *name() const noexcept { return gs_message_name(raw_.abi, raw_.number); }

	/* The thread it is about, if it is about one: Gtid::null() in a request would unschedule. */
	std::optional<Gtid> gtid() const noexcept { return told(GS_HAS_GTID, Gtid(raw_.gtid)); }
	std::optional<std::int32_t> cpu() const noexcept { return told(GS_HAS_CPU, raw_.cpu); }
	std::optional<std::uint64_t> runtime_ns() const noexcept { return told(GS_HAS_RUNTIME, raw_.runtime_ns); }
	std::optional<std::int32_t> nice() const noexcept { return told(GS_HAS_NICE, raw_.nice); }
	std::optional<Gtid> parent() const noexcept { return told(GS_HAS_PARENT, Gtid(raw_.parent_gtid)); }
	/* The index of a new thread's status word. */
	std::optional<std::uint32_t> status_word() const noexcept { return told(GS_HAS_STATUS_WORD, raw_.index); }
	bool is_runnable() const noexcept { return is(GS_IS_RUNNABLE); }
	bool was_latched() const noexcept { return is(GS_IS_LATCHED); }
	bool is_deferrable() const noexcept { return is(GS_IS_DEFERRABLE); }
	bool was_current() const noexcept { return is(GS_IS_CURRENT); }

	/* All fields, with the bits that say which it has. */
	const gs_message &raw() const noexcept { return raw_; }
	gs_message &raw() noexcept { return raw_; }

	/* "TASK_PREEMPT #17 4242 cpu 3 ran 1200ns latched" */
	Text<192> text() const noexcept
	{
		return Text<192>([&](char *to, std::size_t len, std::size_t *need) {
			return gs_message_text(&raw_, to, len, need);
		});
	}

private:
	bool has(std::uint32_t what) const noexcept { return (raw_.has & what) != 0; }
	bool is(std::uint32_t claim) const noexcept { return (raw_.is & claim) != 0; }
	template <typename T> std::optional<T> told(std::uint32_t what, T value) const noexcept
	{
		return has(what) ? std::optional<T>(value) : std::nullopt;
	}

	gs_message raw_;
};

/*
 * Memory that is mapped, and unmapped when this goes.
 *
 * When an enclave is destroyed, by its watchdog or by hand, the kernel takes the pages of `cpu_data` and of the regions of
 * status words away: touching them afterwards, by whatever class here, is SIGBUS. Mappings of queues survive. So watch
 * `agent_online` (poll, POLLPRI) and use neither StatusWords nor Transactions once the enclave goes; who destroys an enclave
 * unmaps them first.
 */
class Mapping {
public:
	Mapping() noexcept = default;
	Mapping(Mapping &&other) noexcept
		: base_(std::exchange(other.base_, nullptr)), len_(std::exchange(other.len_, 0))
	{
	}
	Mapping &operator=(Mapping &&other) noexcept
	{
		std::swap(base_, other.base_);
		std::swap(len_, other.len_);
		return *this;
	}
	Mapping(const Mapping &) = delete;
	Mapping &operator=(const Mapping &) = delete;
	~Mapping()
	{
		if (base_)
			(void)munmap(base_, len_);
	}

	/* A file of the enclave from its start, or a queue; a region of status words can only be read. */
	static Result<Mapping> of(int fd, std::size_t len, bool is_writable = true) noexcept
	{
		return map(fd, len, is_writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED);
	}
	/* Zeroed memory of the process, for simulated kernels. */
	static Result<Mapping> anonymous(std::size_t len) noexcept
	{
		return map(-1, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	}

	void *base() const noexcept { return base_; }
	std::size_t len() const noexcept { return len_; }

private:
	static Result<Mapping> map(int fd, std::size_t len, int protection, int flags) noexcept
	{
		void *base = mmap(nullptr, len, protection, flags, fd, 0);
		if (base == MAP_FAILED)
			return GS_ERR_SYSTEM;
		Mapping mapping;
		mapping.base_ = base;
		mapping.len_ = len;
		return mapping;
	}

	void *base_ = nullptr;
	std::size_t len_ = 0;
};

class Drain;

/* The agent's side of a queue of messages. One at a time: can be moved, not copied. */
class Queue {
public:
	/* Of no queue: all it does is fail. */
	Queue() noexcept : raw_{} {}
	Queue(Queue &&other) noexcept : raw_(std::exchange(other.raw_, gs_queue{})) {}
	Queue &operator=(Queue &&other) noexcept
	{
		std::swap(raw_, other.raw_);
		return *this;
	}
	Queue(const Queue &) = delete;
	Queue &operator=(const Queue &) = delete;

	static Result<Queue> at(void *base, std::size_t len, Abi abi) noexcept
	{
		Queue queue;
		const Status status =
			gs_queue_init(&queue.raw_, static_cast<std::uint8_t *>(base), len, abi.version());
		return { status, std::move(queue) };
	}
	static Result<Queue> at(const Mapping &mapping, Abi abi) noexcept { return at(mapping.base(), mapping.len(), abi); }

	/* Lends the next message, which stays until it is consumed; GS_NONE if there is none. */
	Result<Message> peek() noexcept
	{
		Message message;
		const Status status = gs_queue_peek(&raw_, &message.raw());
		return { status, message };
	}
	/* Gives back the message that was lent. */
	Status consume() noexcept { return gs_queue_consume(&raw_); }
	/* Takes what there is: `for (const Message &message : drain)`, and then look at its status(). */
	inline Drain drain() noexcept;
	/* Gives up what is there, after GS_ERR_QUEUE. */
	Status resync() noexcept { return gs_queue_resync(&raw_, nullptr); }

	std::uint32_t overflow() const noexcept { return gs_queue_overflow(&raw_); }
	std::uint32_t used() const noexcept { return gs_queue_used(&raw_); }
	std::uint32_t slots() const noexcept { return gs_queue_slots(&raw_); }

private:
	friend class Drain;
	gs_queue raw_;
};

/*
 * The messages of a queue, read in batches and consumed when they have been looked at: each message is handed out when the
 * loop gets its `const Message &`, and what was not handed out stays in the queue when the loop is left by break or return.
 * The message that the loop was looking at then counts as handed out, so it is consumed. A second loop over the same Drain
 * goes on behind it.
 *
 * What was handed out is consumed with the batch, by stop(), or when the Drain goes. Until then the queue is the Drain's: it
 * is not moved, and not consumed from otherwise. After the loop stop() gives it back early. A message lives as long as the
 * loop's body; copy what you keep.
 */
class [[nodiscard]] Drain {
public:
	class Iterator {
	public:
		using iterator_category = std::input_iterator_tag;
		using value_type = Message;
		using difference_type = std::ptrdiff_t;
		using pointer = const Message *;
		using reference = const Message &;

		reference operator*() const noexcept { return drain_->hand_out(); }
		pointer operator->() const noexcept { return &**this; }
		Iterator &operator++() noexcept
		{
			if (!drain_->advance())
				drain_ = nullptr;
			return *this;
		}
		friend bool operator==(const Iterator &a, const Iterator &b) noexcept { return a.drain_ == b.drain_; }
		friend bool operator!=(const Iterator &a, const Iterator &b) noexcept { return a.drain_ != b.drain_; }

	private:
		friend class Drain;
		explicit Iterator(Drain *drain) noexcept : drain_(drain) {}
		Drain *drain_;
	};

	explicit Drain(Queue &queue) noexcept : queue_(&queue) {}
	/* Neither copied nor moved: each message is consumed once. */
	Drain(const Drain &) = delete;
	Drain &operator=(const Drain &) = delete;
	~Drain() { (void)stop(); }

	Iterator begin() noexcept
	{
		if (is_handed_out_)
			return Iterator(advance() ? this : nullptr);
		return Iterator(next_ < count_ || fill() ? this : nullptr);
	}
	Iterator end() noexcept { return Iterator(nullptr); }
	/* Why it ended: GS_NONE when the queue was empty, or an error. After break GS_OK, or an error behind what was read. */
	Status status() const noexcept { return status_; }
	/* Consumes what was handed out; the rest stays in the queue, which can be used otherwise from now on. */
	Status stop() noexcept
	{
		const std::size_t seen = next_ + (is_handed_out_ ? 1 : 0);
		next_ = count_ = 0;
		is_handed_out_ = false;
		return seen > 0 ? Status(gs_queue_consume_read(&queue_->raw_, seen)) : Status();
	}

private:
	static constexpr std::size_t BATCH = 32;

	bool fill() noexcept
	{
		const Status consumed = stop();
		if (status_.is_error())
			return false;
		if (consumed.is_error()) {
			status_ = consumed;
			return false;
		}
		// A Message is a gs_message and nothing else.
		static_assert(sizeof(Message) == sizeof(gs_message) && std::is_standard_layout_v<Message>);
		status_ = gs_queue_read(&queue_->raw_, &messages_[0].raw(), BATCH, &count_);
		return count_ > 0;
	}
	const Message &hand_out() noexcept
	{
		is_handed_out_ = true;
		return messages_[next_];
	}
	bool advance() noexcept
	{
		is_handed_out_ = false;
		return ++next_ < count_ || fill();
	}

	Queue *queue_;
	std::size_t next_ = 0; // of the batch; those before it were handed out
	std::size_t count_ = 0;
	bool is_handed_out_ = false; // the one at next_
	Status status_;
	std::array<Message, BATCH> messages_;
};

inline Drain Queue::drain() noexcept
{
	return Drain(*this);
}

/* A status word of a region: what the kernel says of a thread or agent, asked each time. */
class StatusWord {
public:
	StatusWord(const gs_status_words &words, std::uint32_t index) noexcept : words_(&words), index_(index) {}
	StatusWord(const gs_status_words &&, std::uint32_t) = delete;

	std::uint32_t index() const noexcept { return index_; }
	/* GS_SW_*; 0 if there is no such word. */
	std::uint32_t flags() const noexcept { return gs_status_words_flags(words_, index_); }
	std::uint32_t barrier() const noexcept { return gs_status_words_barrier(words_, index_); }
	bool is_in_use() const noexcept { return has(GS_SW_IN_USE); }
	bool can_be_freed() const noexcept { return has(GS_SW_CAN_FREE); }
	bool is_on_cpu() const noexcept { return has(GS_SW_ON_CPU); }
	bool is_runnable() const noexcept { return has(GS_SW_RUNNABLE); }
	/* In an agent's word. */
	bool cpu_is_available() const noexcept { return has(GS_SW_CPU_AVAILABLE); }
	/* In an agent's word: a higher class wants the CPU, so finish and yield. */
	bool is_boosted() const noexcept { return has(GS_SW_BOOST_PRIORITY); }
	/* All of it. */
	Result<gs_status_word> read() const noexcept
	{
		gs_status_word word{};
		const Status status = gs_status_words_read(words_, index_, &word);
		return { status, word };
	}

private:
	bool has(std::uint32_t flag) const noexcept { return (flags() & flag) != 0; }

	const gs_status_words *words_;
	std::uint32_t index_;
};

/* A region of status words. After its enclave was destroyed reading it is SIGBUS: see Mapping. */
class StatusWords {
public:
	StatusWords() noexcept : raw_{} {}

	static Result<StatusWords> at(const void *base, std::size_t len) noexcept
	{
		StatusWords words;
		const Status status = gs_status_words_init(&words.raw_, static_cast<const std::uint8_t *>(base), len);
		return { status, words };
	}
	static Result<StatusWords> at(const Mapping &mapping) noexcept { return at(mapping.base(), mapping.len()); }

	std::uint32_t count() const noexcept { return gs_status_words_count(&raw_); }
	/* Of an index that is not mapped a word that is free for ever. It points to this region. */
	StatusWord operator[](std::uint32_t index) const & noexcept { return StatusWord(raw_, index); }
	StatusWord operator[](std::uint32_t) const && = delete; // it would point to a region that is gone
	/* Calls `each(index, gs_status_word)` for every word in use. */
	template <typename Each> void for_each_in_use(Each &&each) const
	{
		gs_status_word word;
		for (std::uint32_t index = 0; gs_status_words_next(&raw_, &index, &word) == GS_OK; index++)
			each(index, word);
	}

private:
	gs_status_words raw_;
};

/*
 * Where a transaction is on its way. One made by default is of no transaction: nothing is true of it, so that what could not
 * be asked never looks committed.
 */
class TxnState {
public:
	constexpr TxnState() noexcept = default;
	constexpr explicit TxnState(std::int32_t word) noexcept : word_(word), is_known_(true) {}

	/* Whether it is the state of a transaction. */
	constexpr bool is_known() const noexcept { return is_known_; }
	/* GS_TXN_*, or the CPU that commits it. Of no transaction -1. */
	constexpr std::int32_t word() const noexcept { return word_; }
	constexpr bool is_ready() const noexcept { return word_ == GS_TXN_READY; }
	constexpr bool is_claimed() const noexcept { return word_ >= 0 && word_ != GS_TXN_READY; }
	/* It ended: the agent may use it again. */
	constexpr bool is_final() const noexcept { return is_known_ && word_ < 0; }
	constexpr bool is_committed() const noexcept { return word_ == GS_TXN_COMPLETE; }
	/* What an agent does about it, GS_REMEDY_*. Of no transaction GS_REMEDY_MISTAKE. */
	std::int32_t remedy() const noexcept { return is_known_ ? gs_txn_state_remedy(word_) : GS_REMEDY_MISTAKE; }
	/* "TARGET_STALE" */
	Text<32> text() const noexcept
	{
		return Text<32>([&](char *to, std::size_t len, std::size_t *need) {
			return gs_txn_state_text(word_, to, len, need);
		});
	}

	friend constexpr bool operator==(TxnState a, TxnState b) noexcept
	{
		return a.word_ == b.word_ && a.is_known_ == b.is_known_;
	}
	friend constexpr bool operator!=(TxnState a, TxnState b) noexcept { return !(a == b); }

private:
	std::int32_t word_ = -1;
	bool is_known_ = false;
};

/*
 * Whether an edge was taken; if not (GS_LOST), the state that was found. If it was, the state it leads to: READY or ABORTED;
 * open() leads to none. After an error, too, there is none: TxnState::is_known().
 */
struct [[nodiscard]] Edge {
	Status status;
	TxnState found;

	explicit operator bool() const noexcept { return status.ok(); }
};

/* What an agent asks for. */
class Request {
public:
	/* To run this thread, decided on this barrier. */
	static constexpr Request run(Gtid gtid, std::uint32_t task_barrier) noexcept
	{
		Request request;
		request.raw_.gtid = gtid.raw();
		request.raw_.task_barrier = task_barrier;
		return request;
	}
	/* To take the running ghOSt thread off its CPU. */
	static constexpr Request unschedule() noexcept { return run(Gtid::null(), 0); }
	/* To wake the CPU's agent. */
	static constexpr Request ping() noexcept { return run(Gtid::agent(), 0); }

	[[nodiscard]] constexpr Request agent_barrier(std::uint32_t barrier) const noexcept
	{
		Request request = *this;
		request.raw_.agent_barrier = barrier;
		return request;
	}
	/* GS_RUN_* */
	[[nodiscard]] constexpr Request run_flags(std::uint32_t flags) const noexcept
	{
		Request request = *this;
		request.raw_.run_flags = static_cast<std::uint16_t>(flags);
		return request;
	}
	/* GS_COMMIT_* */
	[[nodiscard]] constexpr Request commit_flags(std::uint32_t flags) const noexcept
	{
		Request request = *this;
		request.raw_.commit_flags = static_cast<std::uint8_t>(flags);
		return request;
	}

	constexpr const gs_request &raw() const noexcept { return raw_; }

private:
	gs_request raw_{};
};

/* The transaction of a CPU, the agent's side. */
class Transaction {
public:
	Transaction(const gs_transactions &transactions, std::uint32_t cpu) noexcept
		: transactions_(&transactions), cpu_(cpu)
	{
	}
	Transaction(const gs_transactions &&, std::uint32_t) = delete;

	std::uint32_t cpu() const noexcept { return cpu_; }
	/* Writes the fields, without submitting. */
	Edge open(const Request &request) const noexcept
	{
		std::int32_t found = 0;
		const Status status = gs_txn_open(transactions_, cpu_, &request.raw(), &found);
		return edge(status, found, TxnState());
	}
	/* Hands it to the kernel, which is to be called next. */
	Edge submit(const Request &request) const noexcept { return submit(&request.raw()); }
	/* Hands what was opened to the kernel. */
	Edge submit() const noexcept { return submit(nullptr); }
	/* Takes it back, if the kernel was not first. */
	Edge abort() const noexcept
	{
		std::int32_t found = 0;
		const Status status = gs_txn_abort(transactions_, cpu_, &found);
		return edge(status, found, TxnState(GS_TXN_ABORTED));
	}

	Result<TxnState> state() const noexcept
	{
		std::int32_t state = 0;
		const Status status = gs_txn_state(transactions_, cpu_, &state);
		return { status, status.is_error() ? TxnState() : TxnState(state) };
	}
	/* Spins until it has ended, at most so often; GS_LOST, and where it is, if it has not. After an error no state. */
	Result<TxnState> wait(std::uint32_t spins) const noexcept
	{
		std::int32_t state = 0;
		const Status status = gs_txn_wait(transactions_, cpu_, spins, &state);
		return { status, status.is_error() ? TxnState() : TxnState(state) };
	}
	bool is_committed() const noexcept
	{
		const auto now = state();
		return now && now->is_committed();
	}
	Result<gs_transaction> read() const noexcept
	{
		gs_transaction txn{};
		const Status status = gs_txn_read(transactions_, cpu_, &txn);
		return { status, txn };
	}

	/* For a sync group, as the agent of a CPU. GS_OWNED if another owns it. */
	Status own(std::uint32_t agent) const noexcept { return gs_txn_own(transactions_, cpu_, agent, nullptr); }
	Status disown(std::uint32_t agent) const noexcept { return gs_txn_disown(transactions_, cpu_, agent, nullptr); }
	Status hand_over(std::uint32_t from, std::uint32_t to) const noexcept
	{
		return gs_txn_hand_over(transactions_, cpu_, from, to, nullptr);
	}

private:
	Edge submit(const gs_request *request) const noexcept
	{
		std::int32_t found = 0;
		const Status status = gs_txn_submit(transactions_, cpu_, request, &found);
		return edge(status, found, TxnState(GS_TXN_READY));
	}
	static Edge edge(Status status, std::int32_t found, TxnState taken) noexcept
	{
		if (status.ok())
			return { status, taken };
		return { status, status == Status(GS_LOST) ? TxnState(found) : TxnState() };
	}

	const gs_transactions *transactions_;
	std::uint32_t cpu_;
};

/* The transactions of an enclave, one a possible CPU. After it was destroyed touching them is SIGBUS: see Mapping. */
class Transactions {
public:
	Transactions() noexcept : raw_{} {}

	static Result<Transactions> at(void *base, std::size_t len) noexcept
	{
		Transactions transactions;
		const Status status =
			gs_transactions_init(&transactions.raw_, static_cast<std::uint8_t *>(base), len);
		return { status, transactions };
	}
	static Result<Transactions> at(const Mapping &mapping) noexcept { return at(mapping.base(), mapping.len()); }

	std::uint32_t count() const noexcept { return gs_transactions_count(&raw_); }
	/* It points to this object. What it does with a CPU that is not there fails. */
	Transaction operator[](std::uint32_t cpu) const & noexcept { return Transaction(raw_, cpu); }
	Transaction operator[](std::uint32_t) const && = delete; // it would point to transactions that are gone

private:
	gs_transactions raw_;
};

/* A set of CPUs 0 to 1023, as large as cpu_set_t and laid out alike. Iterates in ascending order. */
class CpuSet {
public:
	class Iterator {
	public:
		using iterator_category = std::input_iterator_tag;
		using value_type = std::uint32_t;
		using difference_type = std::ptrdiff_t;
		using pointer = const std::uint32_t *;
		using reference = std::uint32_t;

		reference operator*() const noexcept { return static_cast<std::uint32_t>(cpu_); }
		Iterator &operator++() noexcept
		{
			cpu_ = gs_cpuset_next(&set_->raw_, static_cast<std::uint32_t>(cpu_));
			return *this;
		}
		friend bool operator==(const Iterator &a, const Iterator &b) noexcept { return a.cpu_ == b.cpu_; }
		friend bool operator!=(const Iterator &a, const Iterator &b) noexcept { return a.cpu_ != b.cpu_; }

	private:
		friend class CpuSet;
		Iterator(const CpuSet *set, std::int32_t cpu) noexcept : set_(set), cpu_(cpu) {}
		const CpuSet *set_;
		std::int32_t cpu_;
	};

	CpuSet() noexcept : raw_{} {}

	/* "0-3,8" */
	static Result<CpuSet> parse_list(std::string_view text) noexcept
	{
		CpuSet set;
		const Status status = gs_cpuset_parse_list(text.data(), text.size(), &set.raw_);
		return { status, set };
	}
	/* "1,0000000f" */
	static Result<CpuSet> parse_mask(std::string_view text) noexcept
	{
		CpuSet set;
		const Status status = gs_cpuset_parse_mask(text.data(), text.size(), &set.raw_);
		return { status, set };
	}

	bool insert(std::uint32_t cpu) noexcept { return gs_cpuset_insert(&raw_, cpu); }
	bool remove(std::uint32_t cpu) noexcept { return gs_cpuset_remove(&raw_, cpu); }
	void clear() noexcept { raw_ = {}; }
	bool contains(std::uint32_t cpu) const noexcept { return gs_cpuset_contains(&raw_, cpu); }
	std::uint32_t count() const noexcept { return gs_cpuset_count(&raw_); }
	bool empty() const noexcept { return gs_cpuset_first(&raw_) < 0; }
	std::optional<std::uint32_t> first() const noexcept { return found(gs_cpuset_first(&raw_)); }
	std::optional<std::uint32_t> next_after(std::uint32_t cpu) const noexcept
	{
		return found(gs_cpuset_next(&raw_, cpu));
	}
	std::optional<std::uint32_t> nth(std::uint32_t n) const noexcept { return found(gs_cpuset_nth(&raw_, n)); }
	Iterator begin() const noexcept { return Iterator(this, gs_cpuset_first(&raw_)); }
	Iterator end() const noexcept { return Iterator(this, -1); }

	CpuSet operator|(const CpuSet &other) const noexcept
	{
		return zip(other, [](std::uint64_t a, std::uint64_t b) { return a | b; });
	}
	CpuSet operator&(const CpuSet &other) const noexcept
	{
		return zip(other, [](std::uint64_t a, std::uint64_t b) { return a & b; });
	}
	CpuSet operator^(const CpuSet &other) const noexcept
	{
		return zip(other, [](std::uint64_t a, std::uint64_t b) { return a ^ b; });
	}
	CpuSet operator-(const CpuSet &other) const noexcept
	{
		return zip(other, [](std::uint64_t a, std::uint64_t b) { return a & ~b; });
	}
	friend bool operator==(const CpuSet &a, const CpuSet &b) noexcept { return (a ^ b).empty(); }
	friend bool operator!=(const CpuSet &a, const CpuSet &b) noexcept { return !(a == b); }

	/* As the kernel prints lists. */
	Text<4096> list() const noexcept
	{
		return Text<4096>([&](char *to, std::size_t len, std::size_t *need) {
			return gs_cpuset_list(&raw_, to, len, need);
		});
	}
	/* As the kernel prints masks. */
	Text<320> mask() const noexcept
	{
		return Text<320>([&](char *to, std::size_t len, std::size_t *need) {
			return gs_cpuset_mask(&raw_, to, len, need);
		});
	}
	/* The argument of GS_IOC_COMMIT_TXN and GS_IOC_SYNC_GROUP_TXN; it points to this set. */
	struct gs_abi_ioc_commit_txn commit() const && = delete; // it would point to a set that is gone
	struct gs_abi_ioc_commit_txn commit() const & noexcept
	{
		struct gs_abi_ioc_commit_txn argument {};
		argument.mask_ptr = reinterpret_cast<std::uintptr_t>(&raw_);
		argument.mask_len = sizeof(raw_);
		return argument;
	}
	const gs_cpuset &raw() const noexcept { return raw_; }

private:
	static std::optional<std::uint32_t> found(std::int32_t cpu) noexcept
	{
		return cpu < 0 ? std::nullopt : std::optional<std::uint32_t>(static_cast<std::uint32_t>(cpu));
	}
	template <typename Combine> CpuSet zip(const CpuSet &other, Combine combine) const noexcept
	{
		CpuSet set;
		for (std::size_t word = 0; word < 16; word++)
			set.raw_.words[word] = combine(raw_.words[word], other.raw_.words[word]);
		return set;
	}

	gs_cpuset raw_;
};

/* A task that an agent knows, with the agent's state of it. */
template <typename T> struct Task {
	Gtid gtid;
	/* The sequence number of the last message applied: the task barrier of a transaction for it. */
	std::uint32_t seqnum = 0;
	T state{};
};

/*
 * Tasks by gtid, in memory of its own: Slots is a power of two, and three quarters of it are the most tasks. A task stays
 * where it is until it is removed. Neither copied nor moved.
 */
template <typename T, std::size_t Slots> class TaskTable {
	static_assert(Slots >= 8 && (Slots & (Slots - 1)) == 0, "a power of two, at least 8");

public:
	static constexpr std::size_t CAPACITY = Slots / 4 * 3;

	TaskTable() noexcept
	{
		// The number of slots was checked when this was compiled.
		(void)gs_tasks_init(&raw_, slots_.data(), Slots);
		for (std::size_t index = 0; index < CAPACITY; index++)
			free_[index] = static_cast<std::uint32_t>(CAPACITY - 1 - index);
	}
	TaskTable(const TaskTable &) = delete;
	TaskTable &operator=(const TaskTable &) = delete;

	std::size_t size() const noexcept { return gs_tasks_count(&raw_); }
	bool empty() const noexcept { return size() == 0; }

	/* Adds the task of a TASK_NEW. GS_ERR_EXISTS, GS_ERR_FULL, GS_ERR_NO_TASK. */
	Result<Task<T> *> insert(Gtid gtid, std::uint32_t seqnum) noexcept
	{
		const std::size_t used = size();
		const std::uint32_t index = used < CAPACITY ? free_[CAPACITY - 1 - used] : 0;
		const Status status = gs_tasks_insert(&raw_, gtid.raw(), seqnum, index);
		if (!status)
			return status;
		tasks_[index] = Task<T>{ gtid, seqnum, T{} };
		return &tasks_[index];
	}
	/* The task that a message is for, its sequence number taken over. GS_STALE: skip it. GS_ERR_UNKNOWN_TASK. */
	Result<Task<T> *> apply(const Message &message) noexcept
	{
		gs_task found{};
		const Status status = gs_tasks_apply(&raw_, message.gtid().value_or(Gtid::null()).raw(), message.seqnum(), &found);
		if (!status)
			return status;
		tasks_[found.value].seqnum = found.seqnum;
		return &tasks_[found.value];
	}
	/* The task of a gtid, or null. */
	Task<T> *find(Gtid gtid) noexcept
	{
		gs_task found{};
		return gs_tasks_find(&raw_, gtid.raw(), &found) == GS_OK ? &tasks_[found.value] : nullptr;
	}
	/* Takes a task out; false if it was not there. */
	bool remove(Gtid gtid) noexcept
	{
		std::uint64_t index = 0;
		if (gs_tasks_remove(&raw_, gtid.raw(), &index) != GS_OK)
			return false;
		tasks_[index] = Task<T>{};
		free_[CAPACITY - 1 - size()] = static_cast<std::uint32_t>(index);
		return true;
	}
	/* Calls `each(task)` for every task, in no order. */
	template <typename Each> void for_each(Each &&each)
	{
		for (Task<T> &task : tasks_)
			if (task.gtid.is_task())
				each(task);
	}

private:
	gs_tasks raw_{};
	std::array<gs_task_slot, Slots> slots_;
	std::array<Task<T>, CAPACITY> tasks_;
	std::array<std::uint32_t, CAPACITY> free_; // the first CAPACITY - size() are free
};

/*
 * A ring of tasks for BPF-PNT, in memory that its BPF half shares; ghostsched_pnt.h has the protocol. Claims and Failures
 * point to that memory, which outlives them.
 */
class PntRing {
public:
	/* A task that was taken from a ring: completed, failed, or put back when this goes. Can be moved, not copied. */
	class [[nodiscard]] Claim {
	public:
		Claim(Claim &&other) noexcept : ring_(std::exchange(other.ring_, nullptr)), raw_(other.raw_) {}
		/* What it held before is put back. */
		Claim &operator=(Claim &&other) noexcept
		{
			Claim taken(std::move(other));
			std::swap(ring_, taken.ring_);
			std::swap(raw_, taken.raw_);
			return *this;
		}
		Claim(const Claim &) = delete;
		Claim &operator=(const Claim &) = delete;
		~Claim() { put_back(); }

		const gs_pnt_task &task() const noexcept { return raw_.task; }
		/* Whether it is neither completed, failed, put back nor moved from. What is not held changes nothing. */
		bool is_held() const noexcept { return ring_ != nullptr; }
		/* The task runs: frees its slot. */
		void complete() noexcept
		{
			if (gs_pnt_ring *ring = std::exchange(ring_, nullptr))
				gs_pnt_complete(ring, &raw_);
		}
		/* The kernel refused it, GS_TXN_*: one of the ring's failures now. */
		void fail(std::int32_t code) noexcept
		{
			if (gs_pnt_ring *ring = std::exchange(ring_, nullptr))
				gs_pnt_fail(ring, &raw_, code);
		}
		/* Ready again, before those in the ring. */
		void put_back() noexcept
		{
			if (gs_pnt_ring *ring = std::exchange(ring_, nullptr))
				gs_pnt_put_back(ring, &raw_);
		}

	private:
		friend class PntRing;
		Claim(gs_pnt_ring *ring, const gs_pnt_claim &raw) noexcept : ring_(ring), raw_(raw) {}

		gs_pnt_ring *ring_;
		gs_pnt_claim raw_;
	};

	/* A task that the kernel refused. */
	struct Failure {
		gs_pnt_task task;
		std::uint64_t ticket;
		/* GS_TXN_* */
		TxnState state;
	};

	/*
	 * The failures of a ring, each told once: `for (const PntRing::Failure &failure : ring.failures())`. The loop takes
	 * them one by one; those it did not come to when it is left stay in the ring.
	 */
	class [[nodiscard]] Failures {
	public:
		class Iterator {
		public:
			using iterator_category = std::input_iterator_tag;
			using value_type = Failure;
			using difference_type = std::ptrdiff_t;
			using pointer = const Failure *;
			using reference = const Failure &;

			reference operator*() const noexcept { return failures_->current_; }
			pointer operator->() const noexcept { return &**this; }
			Iterator &operator++() noexcept
			{
				if (!failures_->advance())
					failures_ = nullptr;
				return *this;
			}
			friend bool operator==(const Iterator &a, const Iterator &b) noexcept
			{
				return a.failures_ == b.failures_;
			}
			friend bool operator!=(const Iterator &a, const Iterator &b) noexcept { return !(a == b); }

		private:
			friend class Failures;
			explicit Iterator(Failures *failures) noexcept : failures_(failures) {}
			Failures *failures_;
		};

		Failures(const Failures &) = delete;
		Failures &operator=(const Failures &) = delete;
		~Failures()
		{
			if (slots_)
				gs_pnt_or(&ring_->failed, slots_);
		}

		/* Takes the first. */
		Iterator begin() noexcept { return Iterator(advance() ? this : nullptr); }
		Iterator end() noexcept { return Iterator(nullptr); }

	private:
		friend class PntRing;
		explicit Failures(gs_pnt_ring *ring) noexcept : ring_(ring), slots_(gs_pnt_take_failures(ring)) {}

		bool advance() noexcept
		{
			gs_pnt_snapshot taken{};
			while (slots_) {
				const auto index = static_cast<std::uint32_t>(__builtin_ctzll(slots_));
				slots_ &= slots_ - 1;
				if (gs_pnt_take_failure(ring_, index, &taken)) {
					current_ = { taken.task, taken.ticket, TxnState(static_cast<std::int32_t>(taken.state)) };
					return true;
				}
			}
			return false;
		}

		gs_pnt_ring *ring_;
		__u64 slots_; // that are not looked at
		Failure current_{};
	};

	/* A ring that was initialised. */
	explicit PntRing(gs_pnt_ring &ring) noexcept : ring_(&ring) {}

	/* Makes it an empty ring of a kind: GS_PNT_SINGLE, GS_PNT_SHARED or GS_PNT_EARLIEST. */
	static PntRing init(gs_pnt_ring &ring, std::uint32_t kind) noexcept
	{
		gs_pnt_init(&ring, kind);
		return PntRing(ring);
	}

	/* The ticket by which the task can be revoked or moved. GS_ERR_RING_FULL, GS_ERR_RING_KIND. */
	Result<std::uint64_t> push(const gs_pnt_task &task) noexcept { return ticket(gs_pnt_push_any(ring_, &task)); }
	/* Takes a task for a CPU, if there is one. */
	[[nodiscard]] std::optional<Claim> pop(std::uint32_t cpu) noexcept
	{
		gs_pnt_claim claim{};
		if (!gs_pnt_pop(ring_, cpu, &claim))
			return std::nullopt;
		return Claim(ring_, claim);
	}
	/* Takes a task out that was pushed; false if it was not there any more, or was not READY. */
	[[nodiscard]] bool revoke(std::uint64_t ticket) noexcept
	{
		return static_cast<std::uint32_t>(gs_pnt_revoke(ring_, ticket)) == GS_PNT_READY;
	}
	/*
	 * Moves a task that was pushed to another ring, of which the caller is a producer too; its ticket there. GS_LOST if it
	 * was not there any more or was not READY; GS_ERR_RING_FULL, GS_ERR_RING_KIND of the other ring, and it is where it was.
	 */
	Result<std::uint64_t> move(std::uint64_t pushed, PntRing &to) noexcept
	{
		__s64 moved = GS_PNT_FULL;
		if (static_cast<std::uint32_t>(gs_pnt_move(ring_, pushed, to.ring_, &moved)) != GS_PNT_READY)
			return Status(GS_LOST);
		return ticket(moved);
	}
	/* The tasks that the kernel refused since the last call, as a loop. */
	Failures failures() noexcept { return Failures(ring_); }
	gs_pnt_ring &raw() const noexcept { return *ring_; }

private:
	static Result<std::uint64_t> ticket(std::int64_t answer) noexcept
	{
		if (answer >= 0)
			return { Status(), static_cast<std::uint64_t>(answer) };
		return Status(answer == GS_PNT_FULL ? GS_ERR_RING_FULL : GS_ERR_RING_KIND);
	}

	gs_pnt_ring *ring_;
};

} // namespace ghostsched

template <> struct std::hash<ghostsched::Gtid> {
	std::size_t operator()(ghostsched::Gtid gtid) const noexcept { return std::hash<std::int64_t>()(gtid.raw()); }
};

#endif
