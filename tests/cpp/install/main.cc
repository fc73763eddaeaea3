// What a user builds against an installed library.

#include <cstdio>
#include <cstring>

#include <ghostsched.hpp>

std::size_t of_the_other_unit(); // odr.cc

int main()
{
	char version[32];
	std::snprintf(version, sizeof version, "%d.%d.%d", GS_VERSION_MAJOR, GS_VERSION_MINOR, GS_VERSION_PATCH);
	const auto cpus = ghostsched::CpuSet::parse_list("0-3");
	return std::strcmp(version, gs_version()) == 0 && cpus && cpus->count() == 4 && of_the_other_unit() == 3 ? 0 : 1;
}
