/* unit: the harness around CUnit.  A test file lists its tests in a table and
 * calls unit_run(); rows inside a test are checked with ROW(), which names the
 * row that failed. */
#ifndef PONTE_UNIT_H
#define PONTE_UNIT_H

#include <stdio.h>

#include <CUnit/Basic.h>

struct unit_test {
	const char *name;
	void      (*run)(void);
};

/* One assertion that says which row of a table broke. */
#define ROW(name, cond) do { \
	int ok_ = (cond) ? 1 : 0; \
	if (!ok_) \
		fprintf(stderr, "  row failed: %s (%s:%d: %s)\n", (name), __FILE__, __LINE__, #cond); \
	CU_assertImplementation(ok_, __LINE__, #cond, __FILE__, "", CU_FALSE); \
} while (0)

/* Runs all tests of one module; the exit status for main(). */
static inline int
unit_run(const char *module, const struct unit_test *tests, size_t n, unsigned skipped)
{
	if (CU_initialize_registry() != CUE_SUCCESS)
		return 2;
	CU_pSuite suite = CU_add_suite(module, NULL, NULL);
	for (size_t i = 0; i < n; i++)
		CU_add_test(suite, tests[i].name, tests[i].run);
	CU_basic_set_mode(CU_BRM_SILENT);
	CU_basic_run_tests();
	unsigned bad = CU_get_number_of_failures();
	unsigned all = CU_get_number_of_asserts();
	for (CU_pFailureRecord f = CU_get_failure_list(); f; f = f->pNext)
		fprintf(stderr, "  failed: %s: %s:%u: %s\n", f->pTest ? f->pTest->pName : "?",
		    f->strFileName, f->uiLineNumber, f->strCondition);
	if (CU_get_number_of_tests_run() != n)
		bad++;
	printf("unit/%s: %u passed, %u failed, %u skipped\n", module, all - (bad > all ? all : bad), bad, skipped);
	CU_cleanup_registry();
	return bad != 0;
}

#endif
