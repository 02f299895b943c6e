/* Feeds files to a fuzz target without libFuzzer: replay FILE... Any compiler builds it. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int main(int count, char **paths)
{
    enum { LARGEST = 1 << 20 };
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(paths[i], "rb");
        uint8_t *room = malloc(LARGEST);
        if (!file || !room) return 2;
        size_t bytes = fread(room, 1, LARGEST, file);
        fclose(file);
        uint8_t *exact = realloc(room, bytes ? bytes : 1); /* the sanitisers see one byte too far */
        if (!exact) return 2;
        LLVMFuzzerTestOneInput(exact, bytes);
        free(exact);
    }
    printf("%d files\n", count - 1);
    return 0;
}
