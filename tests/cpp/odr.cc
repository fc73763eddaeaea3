// A second translation unit with the header: nothing of it may be defined twice.

#include "ghostsched.hpp"

std::size_t of_the_other_unit();

std::size_t of_the_other_unit()
{
	ghostsched::CpuSet set;
	for (std::uint32_t cpu = 0; cpu < 3; cpu++)
		set.insert(cpu);
	ghostsched::TaskTable<int, 8> tasks;
	return tasks.empty() ? set.count() : 0;
}
