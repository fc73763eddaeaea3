// Claims of a test program: each is a function, and a line `test PREFIX::NAME ... ok` where all of its checks hold.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <cstdio>

inline const char *prefix = "cpp";
inline int failed_checks = 0;
inline int failed_tests = 0;

#define CHECK(claim)                                                                                                           \
	do {                                                                                                                   \
		if (!(claim)) {                                                                                                \
			std::printf("%s:%d: %s\n", __FILE__, __LINE__, #claim);                                                \
			failed_checks++;                                                                                       \
		}                                                                                                              \
	} while (0)

template <typename Test> void test(const char *name, Test run)
{
	failed_checks = 0;
	run();
	std::printf("test %s::%s ... %s\n", prefix, name, failed_checks ? "FAILED" : "ok");
	std::fflush(stdout);
	failed_tests += failed_checks != 0;
}

#define TEST(name) test(#name, name)

#endif
