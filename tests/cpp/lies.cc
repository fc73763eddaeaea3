// A caller that lies: 8 bytes that are said to be 56. That valgrind reports it shows that it watches the library too.

#include <cstdlib>

#include "ghostsched.hpp"

int main()
{
	auto *bytes = static_cast<unsigned char *>(std::calloc(1, 8));
	bytes[0] = GS_MSG_TASK_NEW;
	bytes[2] = 56;
	const auto message = ghostsched::Message::decode(ghostsched::Abi::latest(), bytes, 56);
	std::free(bytes);
	return message ? 0 : 1;
}
