/* count_insns.c: a QEMU plugin that counts the guest instructions a program executes. The declarations are those of QEMU's
 * plugin interface, version 1 (QEMU 4.2 to 8.2), written out so that no header is needed.
 *     cc -O2 -fPIC -shared count_insns.c -o count_insns.so
 *     qemu-arm -plugin ./count_insns.so program      prints "instructions N" to stderr */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct block;
struct instruction;
extern void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, void (*)(uint64_t, struct block *));
extern size_t qemu_plugin_tb_n_insns(const struct block *);
extern void qemu_plugin_register_vcpu_tb_exec_inline(struct block *, int add_to_64_bits, void *, uint64_t);
extern void qemu_plugin_register_atexit_cb(uint64_t id, void (*)(uint64_t, void *), void *);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;
static uint64_t executed;

static void on_block(uint64_t id, struct block *block) {
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, 0, &executed, qemu_plugin_tb_n_insns(block));
}

static void on_exit(uint64_t id, void *nothing) {
    (void)id, (void)nothing;
    fprintf(stderr, "instructions %llu\n", (unsigned long long)executed);
}

__attribute__((visibility("default"))) int qemu_plugin_install(uint64_t id, const void *info, int argc, char **argv) {
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_atexit_cb(id, on_exit, NULL);
    return 0;
}
