/* Loaded before the C library: keeps beside the files below CHAOS_POWER_DATA what of them was synced, in CHAOS_POWER_SHADOW. A
   power cut is then: kill the process, and put back what is there.

   A file's synced bytes lie under "file-KEY", a directory's synced names under "names-KEY", where KEY is the inode's number and
   its birth, so that a number that is used again is another file. What was written becomes durable when the file is synced; a name,
   when its directory is. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FILES 65536

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* What was written of a file and not yet synced lies within its range. Found by the inode's number, probing onward. */
static struct range { ino64_t inode; off64_t from, to; } ranges[FILES];

static struct range *range_of(ino64_t inode) {
    for (size_t step = 0; step < FILES; step++) {
        struct range *range = &ranges[(inode + step) % FILES];
        if (range->inode == inode) return range;
        if (!range->inode) {
            range->inode = inode;
            return range;
        }
    }
    /* So many files no test has. */
    abort();
}

static int is_ours(int fd) {
    char link[64], path[4096];
    const char *data = getenv("CHAOS_POWER_DATA");
    if (!data) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    size_t own = strlen(data);
    if (length < 0 || (size_t)length < own || strncmp(path, data, own)) return 0;
    /* "node-1" is not "node-1.log". */
    return (size_t)length == own || path[own] == '/';
}

static void wrote(int fd, off64_t start, off64_t end) {
    struct stat64 found;
    if (end <= start || fstat64(fd, &found) || !S_ISREG(found.st_mode)) return;
    pthread_mutex_lock(&lock);
    struct range *range = range_of(found.st_ino);
    if (range->to == 0 || start < range->from) range->from = start;
    if (end > range->to) range->to = end;
    pthread_mutex_unlock(&lock);
}

static int key(int directory, const char *name, char *out, size_t size, unsigned *mode) {
    struct statx found;
    int flags = AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH);
    if (statx(directory, name, flags, STATX_INO | STATX_BTIME | STATX_MODE, &found)) return -1;
    *mode = found.stx_mode;
    snprintf(out, size, "%llu-%lld-%u", (unsigned long long)found.stx_ino, (long long)found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
    return 0;
}

static void keep_names(int fd, const char *shadow, const char *own) {
    char path[4096], new[4200], link[64], entry_key[96];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    DIR *names = opendir(link);
    if (!names) return;
    snprintf(path, sizeof path, "%s/names-%s", shadow, own);
    snprintf(new, sizeof new, "%s.%d", path, fd);
    FILE *list = fopen(new, "w");
    struct dirent *entry;
    unsigned mode;
    while (list && (entry = readdir(names))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (key(dirfd(names), entry->d_name, entry_key, sizeof entry_key, &mode)) continue;
        char kind = S_ISDIR(mode) ? 'd' : S_ISREG(mode) ? 'f' : 0;
        if (kind) fprintf(list, "%c %s %s\n", kind, entry_key, entry->d_name);
    }
    closedir(names);
    if (list && !fclose(list)) rename(new, path);
}

static void keep_bytes(int fd, const char *shadow, const char *own) {
    static char buffer[1 << 16];
    char path[4096];
    struct stat64 real;
    if (fstat64(fd, &real)) return;
    struct range *range = range_of(real.st_ino);
    off64_t at = range->from, end = range->to;
    range->from = range->to = 0;
    snprintf(path, sizeof path, "%s/file-%s", shadow, own);
    int copy = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    /* A descriptor may have been opened for writing only. */
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int source = syscall(SYS_openat, AT_FDCWD, link, O_RDONLY | O_CLOEXEC);
    if (copy >= 0 && source >= 0) {
        while (at < end) {
            size_t want = end - at < (off64_t)sizeof buffer ? (size_t)(end - at) : sizeof buffer;
            ssize_t got = syscall(SYS_pread64, source, buffer, want, at);
            if (got <= 0) break;
            syscall(SYS_pwrite64, copy, buffer, got, at);
            at += got;
        }
        syscall(SYS_ftruncate, copy, real.st_size);
    }
    if (source >= 0) syscall(SYS_close, source);
    if (copy >= 0) syscall(SYS_close, copy);
}

static void synced(int fd) {
    char own[96];
    unsigned mode;
    int before = errno;
    const char *shadow = getenv("CHAOS_POWER_SHADOW");
    if (shadow && is_ours(fd) && !key(fd, "", own, sizeof own, &mode)) {
        pthread_mutex_lock(&lock);
        if (S_ISDIR(mode)) keep_names(fd, shadow, own);
        else keep_bytes(fd, shadow, own);
        pthread_mutex_unlock(&lock);
    }
    errno = before;
}

#define SYNC(name)                                                                                                     \
    int name(int fd) {                                                                                                 \
        static int (*real)(int);                                                                                       \
        if (!real) real = dlsym(RTLD_NEXT, #name);                                                                     \
        int result = real(fd);                                                                                         \
        if (!result) synced(fd);                                                                                       \
        return result;                                                                                                 \
    }
SYNC(fsync)
SYNC(fdatasync)

#define WRITE_AT(name, arguments, call, offset)                                                                        \
    ssize_t name arguments {                                                                                           \
        static ssize_t (*real) arguments;                                                                              \
        if (!real) real = dlsym(RTLD_NEXT, #name);                                                                     \
        ssize_t result = real call;                                                                                    \
        if (result > 0) wrote(fd, offset, offset + result);                                                            \
        return result;                                                                                                 \
    }
WRITE_AT(pwrite, (int fd, const void *bytes, size_t length, off_t at), (fd, bytes, length, at), at)
WRITE_AT(pwrite64, (int fd, const void *bytes, size_t length, off64_t at), (fd, bytes, length, at), at)
WRITE_AT(pwritev, (int fd, const struct iovec *parts, int count, off_t at), (fd, parts, count, at), at)

#define WRITE(name, arguments, call)                                                                                   \
    ssize_t name arguments {                                                                                           \
        static ssize_t (*real) arguments;                                                                              \
        if (!real) real = dlsym(RTLD_NEXT, #name);                                                                     \
        ssize_t result = real call;                                                                                    \
        if (result > 0) {                                                                                              \
            int before = errno;                                                                                        \
            off64_t end = lseek64(fd, 0, SEEK_CUR);                                                                    \
            if (end >= result) wrote(fd, end - result, end);                                                           \
            errno = before;                                                                                            \
        }                                                                                                              \
        return result;                                                                                                 \
    }
WRITE(write, (int fd, const void *bytes, size_t length), (fd, bytes, length))
WRITE(writev, (int fd, const struct iovec *parts, int count), (fd, parts, count))
