/* Linked with -Wl,--wrap=malloc: the program's allocation number FAIL_AT, from 0, gets nothing. */
#include <stddef.h>
#include <stdlib.h>

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);

void *__wrap_malloc(size_t bytes)
{
    static long made;
    const char *fail_at = getenv("FAIL_AT");
    return fail_at && made++ == atol(fail_at) ? NULL : __real_malloc(bytes);
}
