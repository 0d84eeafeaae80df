/* Loaded before the C library: makes writes and syncs of files below CHAOS_DISK_DATA fail or wait, as the file CHAOS_DISK_MODE
   says at that moment ("full", "fail", "slow MS", nothing). Every call that was hindered adds a byte to CHAOS_DISK_HITS. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum mode { SOUND, FULL, FAIL, SLOW };

static int is_ours(int fd) {
    char link[64], path[4096];
    const char *data = getenv("CHAOS_DISK_DATA");
    if (!data) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    size_t own = strlen(data);
    if (length < 0 || (size_t)length < own || strncmp(path, data, own)) return 0;
    /* "node-1" is not "node-1.log". */
    return (size_t)length == own || path[own] == '/';
}

static enum mode mode(int fd, int *ms) {
    char text[32] = {0};
    const char *file = getenv("CHAOS_DISK_MODE");
    int control = file ? syscall(SYS_openat, AT_FDCWD, file, O_RDONLY | O_CLOEXEC) : -1;
    if (control < 0) return SOUND;
    ssize_t length = syscall(SYS_read, control, text, sizeof text - 1);
    syscall(SYS_close, control);
    if (length <= 0 || !is_ours(fd)) return SOUND;
    if (!strncmp(text, "full", 4)) return FULL;
    if (!strncmp(text, "fail", 4)) return FAIL;
    if (!strncmp(text, "slow", 4)) { *ms = atoi(text + 4); return SLOW; }
    return SOUND;
}

static void hit(void) {
    const char *file = getenv("CHAOS_DISK_HITS");
    int hits = file ? syscall(SYS_openat, AT_FDCWD, file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (hits < 0) return;
    syscall(SYS_write, hits, "x", 1);
    syscall(SYS_close, hits);
}

static int sync_gate(int fd) {
    int ms = 0;
    switch (mode(fd, &ms)) {
    case FAIL:
        hit();
        errno = EIO;
        return -1;
    case SLOW: {
        struct timespec wait = {ms / 1000, (ms % 1000) * 1000000L};
        hit();
        nanosleep(&wait, 0);
        return 0;
    }
    default:
        return 0;
    }
}

static int write_gate(int fd) {
    int ms = 0;
    if (mode(fd, &ms) != FULL) return 0;
    hit();
    errno = ENOSPC;
    return -1;
}

#define SYNC(name)                                                                                                     \
    int name(int fd) {                                                                                                 \
        static int (*real)(int);                                                                                       \
        if (!real) real = dlsym(RTLD_NEXT, #name);                                                                     \
        return sync_gate(fd) ? -1 : real(fd);                                                                          \
    }
SYNC(fsync)
SYNC(fdatasync)

int sync_file_range(int fd, off64_t offset, off64_t length, unsigned flags) {
    static int (*real)(int, off64_t, off64_t, unsigned);
    if (!real) real = dlsym(RTLD_NEXT, "sync_file_range");
    return sync_gate(fd) ? -1 : real(fd, offset, length, flags);
}

#define WRITE(name, arguments, call)                                                                                   \
    ssize_t name arguments {                                                                                           \
        static ssize_t (*real) arguments;                                                                              \
        if (!real) real = dlsym(RTLD_NEXT, #name);                                                                     \
        return write_gate(fd) ? -1 : real call;                                                                        \
    }
WRITE(write, (int fd, const void *bytes, size_t length), (fd, bytes, length))
WRITE(pwrite, (int fd, const void *bytes, size_t length, off_t offset), (fd, bytes, length, offset))
WRITE(pwrite64, (int fd, const void *bytes, size_t length, off64_t offset), (fd, bytes, length, offset))
WRITE(writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
WRITE(pwritev, (int fd, const struct iovec *parts, int count, off_t offset), (fd, parts, count, offset))
