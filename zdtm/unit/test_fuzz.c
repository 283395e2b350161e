/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images that lie, sealed with right checksums: a process tree of many kinds is dumped, then fields of
 * its messages are changed at random, and the loaders and planners of a restore read the result. They
 * refuse it with a line or accept it; they never crash, hang, or start a process.
 *
 * FUZZ_SEED and FUZZ_ROUNDS make longer runs; a failure names the round, which is its seed. FUZZ_STAGE
 * lets the restore go further than the plan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <ftw.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "base/log.h"
#include "base/syscalls.h"
#include "engine/engine.h"
#include "image/image.h"

#define ROUNDS 250
#define BUDGET_S 6
#define ROUND_LIMIT_S 20
#define MAX_SITES 20000

static char top[64];

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fuzz: %s: %s\n", what, strerror(errno));
	_exit(3);
}

/* The tree that is dumped. */

static void make_sockets(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/tmp/fuzz.sock" };
	int sv[2], tcp = socket(AF_INET, SOCK_STREAM, 0), udp = socket(AF_INET, SOCK_DGRAM, 0);
	int ux = socket(AF_UNIX, SOCK_STREAM, 0), nl = socket(AF_NETLINK, SOCK_RAW, 0);

	need(tcp >= 0 && udp >= 0 && ux >= 0 && nl >= 0, "sockets");
	need(!bind(tcp, (void *)&in, sizeof(in)) && !listen(tcp, 5), "tcp");
	need(!bind(udp, (void *)&in, sizeof(in)), "udp");
	need(!bind(ux, (void *)&un, sizeof(un)) && !listen(ux, 5), "unix");
	need(!socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv) && write(sv[0], "queued", 6) == 6, "socketpair");
}

static void make_ipc(void)
{
	struct {
		long type;
		char text[8];
	} m = { 1, "message" };
	int q = msgget(IPC_PRIVATE, 0600), s = semget(IPC_PRIVATE, 3, 0600),
	    h = shmget(IPC_PRIVATE, 8192, 0600);
	struct sembuf op = { 0, 1, SEM_UNDO };
	char *p = shmat(h, NULL, 0);

	need(q >= 0 && s >= 0 && p != (void *)-1 && !msgsnd(q, &m, 8, 0) && !semop(s, &op, 1), "ipc");
	strcpy(p, "segment");
}

static void make_files(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct itimerspec its = { .it_value.tv_sec = 1000 };
	int p[2], e = eventfd(3, 0), ep = epoll_create1(0), tf = timerfd_create(CLOCK_MONOTONIC, 0), master,
		  slave;
	int in = inotify_init1(0), mf = memfd_create("fuzz", 0),
	    gone = open("/tmp/gone", O_RDWR | O_CREAT, 0600);
	sigset_t set;

	sigemptyset(&set);
	need(!pipe(p) && write(p[1], "data", 4) == 4, "pipe");
	need(!epoll_ctl(ep, EPOLL_CTL_ADD, e, &ev) && !timerfd_settime(tf, 0, &its, NULL), "epoll");
	need(signalfd(-1, &set, 0) >= 0 && inotify_add_watch(in, "/tmp", IN_CREATE) >= 0,
	     "signalfd, inotify");
	need(write(mf, "memory", 6) == 6 && write(gone, "ghost", 5) == 5 && !unlink("/tmp/gone"), "files");
	need(!openpty(&master, &slave, NULL, NULL, NULL) && write(master, "keys", 4) == 4, "pty");
	need(mmap(NULL, 8192, PROT_READ, MAP_SHARED, mf, 0) != MAP_FAILED, "mmap");
}

static void *thread(void *arg)
{
	while (getpid())
		pause();
	return NULL;
}

static void make_tasks(void)
{
	struct sigevent sev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec its = { .it_value.tv_sec = 1000 };
	pthread_t t;
	timer_t timer;
	sigset_t set;

	prctl(PR_SET_NAME, "fuzzed");
	need(!pthread_create(&t, NULL, thread, NULL), "thread");
	need(!timer_create(CLOCK_MONOTONIC, &sev, &timer) && !timer_settime(timer, 0, &its, NULL), "timer");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	raise(SIGUSR2);
	if (fork() == 0)
		_exit(7);
	if (fork() == 0) {
		setsid();
		close(3);
		thread(NULL);
	}
}

static void mounts(void)
{
	char root[80];

	need(!mount("", "/", NULL, MS_PRIVATE | MS_REC, NULL), "private mounts");
	snprintf(root, sizeof(root), "%s/root", top);
	need(!mkdir(root, 0755) && !mount("/", root, NULL, MS_BIND, NULL), "root");
	need(!chdir(root) && !mount("proc", "proc", "proc", 0, NULL) &&
		     !mount("tmp", "tmp", "tmpfs", 0, NULL) && !mount("dev", "dev", "tmpfs", 0, NULL) &&
		     !mkdir("dev/pts", 0755) &&
		     !mount("devpts", "dev/pts", "devpts", 0, "newinstance,ptmxmode=0666") &&
		     !symlink("pts/ptmx", "dev/ptmx") && !mknod("dev/null", S_IFCHR | 0666, 259),
	     "file systems");
	need(!syscall(SYS_pivot_root, ".", ".") && !umount2(".", MNT_DETACH) && !chdir("/"), "pivot_root");
}

static void tree_main(int ready)
{
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setsid();
	mounts();
	/* nothing from outside stays open but @ready, as 3 */
	null = open("/dev/null", O_RDWR);
	need(dup2(null, 0) == 0 && dup2(null, 1) == 1 && dup2(null, 2) == 2 && dup2(ready, 3) == 3,
	     "standard files");
	need(!syscall(SYS_close_range, 4, ~0U, 0), "close_range");
	make_sockets();
	make_ipc();
	make_files();
	need(write(3, "1", 1) == 1, "ready");
	make_tasks();
	close(3);
	thread(NULL);
}

static int run_dump(pid_t pid, char *dir)
{
	const struct options opt = { .verb = "dump",
				     .pid = pid,
				     .images_dir = dir,
				     .work_dir = top,
				     .leave_running = true,
				     .cgroups = CGROUP_IGNORE };

	return engine_dump(&opt);
}

static int make_image(char *dir)
{
	struct clone_args a = { .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS |
					 CLONE_NEWIPC,
				.exit_signal = SIGCHLD };
	int ready[2], ret = -EIO;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = sys_clone3(&a);
	if (pid == 0) {
		close(ready[0]);
		tree_main(ready[1]);
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) == 1 && read(ready[0], &byte, 1) == 0)
		ret = run_dump(pid, dir);
	close(ready[0]);
	kill(pid, SIGKILL);
	while (waitpid(-1, NULL, __WALL) > 0)
		;
	return ret;
}

/* A place in a message that can be changed. */
struct site {
	ProtobufCMessage *msg;
	const ProtobufCFieldDescriptor *f;
};

static void collect(ProtobufCMessage *msg, struct site *sites, size_t *n)
{
	for (unsigned int i = 0; i < msg->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
		void *at = (char *)msg + f->offset;
		size_t count = 1;

		if (*n < MAX_SITES)
			sites[(*n)++] = (struct site){ msg, f };
		if (f->type != PROTOBUF_C_TYPE_MESSAGE)
			continue;
		if ((f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) &&
		    *(uint32_t *)((char *)msg + f->quantifier_offset) != f->id)
			continue;
		if (f->label == PROTOBUF_C_LABEL_REPEATED) {
			count = *(size_t *)((char *)msg + f->quantifier_offset);
			at = *(void **)at;
		}
		for (size_t k = 0; k < count; k++)
			if (((ProtobufCMessage **)at)[k])
				collect(((ProtobufCMessage **)at)[k], sites, n);
	}
}

static uint64_t odd_number(uint64_t old)
{
	static const uint64_t odd[] = { 0,
					1,
					2,
					3,
					0x7f,
					0xff,
					0xffff,
					0x7fffffff,
					0x80000000,
					0xffffffff,
					0x7ffffffff000,
					0x7fffffffffffffff,
					0x8000000000000000,
					~0ULL,
					4096,
					100000 };

	switch (random() % 4) {
	case 0:
		return old + 1;
	case 1:
		return old ^ 1ULL << (random() % 64);
	default:
		return odd[(size_t)random() % ARRAY_SIZE(odd)];
	}
}

static void change_bytes(ProtobufCBinaryData *b)
{
	size_t len = random() % 3 ? b->len : (size_t)random() % (b->len + 16);
	uint8_t *p = calloc(1, len + 1);

	memcpy(p, b->data ? b->data : p, b->data ? MIN(len, b->len) : 0);
	if (len)
		p[(size_t)random() % len] ^= (uint8_t)(1 + random() % 255);
	*b = (ProtobufCBinaryData){ len, p };
}

static char *odd_text(const char *old)
{
	static const char *const odd[] = { "",	 "/",	   ".",	   "..", "../../../etc/passwd",
					   "//", "a/../b", "%s%n", "-1" };
	char *p;

	switch (random() % 4) {
	case 0:
		p = malloc(70000);
		memset(p, 'x', 69999);
		p[69999] = 0;
		return p;
	case 1:
		p = strdup(old ? old : "x");
		if (*p)
			p[(size_t)random() % strlen(p)] = (char)(1 + random() % 127);
		return p;
	default:
		return strdup(odd[(size_t)random() % ARRAY_SIZE(odd)]);
	}
}

static void change_value(void *at, ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
		*(char **)at = odd_text(*(char **)at);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		change_bytes(at);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		*(uint64_t *)at = odd_number(*(uint64_t *)at);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)at = !*(protobuf_c_boolean *)at;
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_FLOAT:
		break;
	default:
		*(uint32_t *)at = (uint32_t)odd_number(*(uint32_t *)at);
	}
}

static size_t size_of(ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return 8;
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	default:
		return 4;
	}
}

/* Shorter, with an element twice, or with one changed. */
static void change_list(void **list, size_t *n, ProtobufCType type)
{
	size_t size = size_of(type);
	char *p = calloc(*n + 1, size);

	if (*n)
		memcpy(p, *list, *n * size);
	switch (random() % 3) {
	case 0:
		*n = *n ? (size_t)random() % *n : 0;
		break;
	case 1:
		if (*n)
			memcpy(p + *n * size, p + (size_t)random() % *n * size, size);
		*n += *n || type != PROTOBUF_C_TYPE_MESSAGE ? 1 : 0;
		if (type == PROTOBUF_C_TYPE_STRING && *n == 1 && !*(char **)p)
			*(char **)p = strdup("x");
		break;
	default:
		if (*n)
			change_value(p + (size_t)random() % *n * size, type);
	}
	*list = p;
}

static void change(const struct site *s)
{
	void *at = (char *)s->msg + s->f->offset, *q = (char *)s->msg + s->f->quantifier_offset;
	bool pointer = s->f->type == PROTOBUF_C_TYPE_STRING || s->f->type == PROTOBUF_C_TYPE_MESSAGE;

	if (s->f->label == PROTOBUF_C_LABEL_REPEATED) {
		change_list(at, q, s->f->type);
	} else if (s->f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
		if (*(uint32_t *)q != s->f->id)
			return;
		if (random() % 2)
			*(uint32_t *)q = 0;
		else
			change_value(at, s->f->type);
	} else if (s->f->label == PROTOBUF_C_LABEL_OPTIONAL && random() % 2) {
		if (pointer)
			*(void **)at = NULL;
		else
			*(protobuf_c_boolean *)q = !*(protobuf_c_boolean *)q;
	} else if (s->f->type != PROTOBUF_C_TYPE_MESSAGE) {
		change_value(at, s->f->type);
		if (s->f->label == PROTOBUF_C_LABEL_OPTIONAL && !pointer)
			*(protobuf_c_boolean *)q = true;
	}
}

/* Of a file's records: most often a field, sometimes a whole record. */
static void change_records(ProtobufCMessage **msgs, size_t *n, FILE *story)
{
	struct site *sites = calloc(MAX_SITES, sizeof(*sites));
	size_t n_sites = 0, at = (size_t)random() % *n;

	if (random() % 12 == 0) {
		fprintf(story, "record %zu of %zu lost or twice", at, *n);
		if (random() % 2)
			msgs[at] = msgs[(size_t)random() % *n];
		else
			msgs[at] = msgs[--*n];
		return;
	}
	collect(msgs[at], sites, &n_sites);
	for (int times = 1 + (int)(random() % 2); times > 0 && n_sites; times--) {
		const struct site *s = &sites[(size_t)random() % n_sites];

		fprintf(story, "%s.%s of record %zu; ", s->msg->descriptor->name, s->f->name, at);
		change(s);
	}
}

static int copy_raw(struct image *from, struct image *to, const char *name)
{
	int in = image_raw_open(from, name), out = image_raw_create(to, name), ret;
	struct stat st;

	ret = in < 0 ? in : out < 0 ? out : fstat(in, &st);
	while (ret >= 0 && st.st_size > 0) {
		ssize_t n = sendfile(out, in, NULL, (size_t)st.st_size);

		if (n <= 0)
			break;
		st.st_size -= n;
	}
	close(in);
	close(out);
	return ret;
}

/* A copy of @from in @dir with one file changed. */
static int copy_changed(struct image *from, const char *dir, FILE *story)
{
	const InventoryEntry *inv = image_inventory(from);
	size_t pick = (size_t)random() % inv->n_files;
	struct image *to;
	int ret = image_create(dir, &to);

	while (!inv->files[pick]->type)
		pick = (pick + 1) % inv->n_files;
	for (size_t i = 0; ret >= 0 && i < inv->n_files; i++) {
		const ImageFileEntry *e = inv->files[i];
		char *name = strdup(e->name);
		ProtobufCMessage **msgs;
		size_t n;

		if (!e->type) {
			ret = copy_raw(from, to, e->name);
			continue;
		}
		name[strlen(name) - 4] = 0;
		ret = image_read(from, name, image_type(e->type), &msgs, &n);
		if (ret >= 0 && i == pick) {
			fprintf(story, "%s: ", name);
			change_records(msgs, &n, story);
		}
		if (ret >= 0)
			ret = image_write(to, name, (const ProtobufCMessage *const *)msgs, n);
	}
	return ret < 0 ? ret : image_commit(to);
}

static int run_plan(char *dir)
{
	const struct options opt = { .verb = "restore",
				     .images_dir = dir,
				     .work_dir = top,
				     .root = (char *)"/",
				     .detached = true,
				     .cgroups = CGROUP_IGNORE };

	setenv("CTCR_FAIL_STAGE", getenv("FUZZ_STAGE") ? getenv("FUZZ_STAGE") : "plan", 1);
	return engine_restore(&opt);
}

/* In a process of its own: what it did is in top/story, what it said in top/said. */
static void round_main(const char *good, unsigned int seed)
{
	char dir[96], said[96], path[96];
	struct image *img;
	FILE *story;

	srandom(seed);
	snprintf(dir, sizeof(dir), "%s/bad", top);
	snprintf(said, sizeof(said), "%s/said", top);
	snprintf(path, sizeof(path), "%s/story", top);
	story = fopen(path, "w");
	need(story && freopen(said, "w", stderr), "files of a round");
	setvbuf(story, NULL, _IONBF, 0);
	if (image_open(good, &img) < 0 || copy_changed(img, dir, story) < 0)
		_exit(4);
	alarm(ROUND_LIMIT_S);
	_exit(run_plan(dir) < 0 ? 0 : 5);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f)
{
	return remove(path);
}

static void print_file(const char *name)
{
	char path[96], line[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		fprintf(stderr, "    %s: %s\n", name, line);
	if (f)
		fclose(f);
}

/* 0: good; 1: it fell over. */
static int play_round(const char *good, unsigned int seed)
{
	char dir[96], said[96];
	struct stat st;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		round_main(good, seed);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	snprintf(dir, sizeof(dir), "%s/bad", top);
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	snprintf(said, sizeof(said), "%s/said", top);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !stat(said, &st) && st.st_size > 0)
		return 0;
	fprintf(stderr, "round %u: status %#x%s\n", seed, status, st.st_size ? "" : ", no line said why");
	print_file("story");
	print_file("said");
	return 1;
}

static unsigned int number(const char *name, unsigned int fallback)
{
	const char *v = getenv(name);

	return v ? (unsigned int)strtoul(v, NULL, 0) : fallback;
}

static void test_lies(void **state)
{
	unsigned int first = number("FUZZ_SEED", 1), rounds = number("FUZZ_ROUNDS", ROUNDS), i;
	time_t end = time(NULL) + BUDGET_S;
	int bad = 0;
	char good[80];

	if (geteuid() != 0)
		skip();
	snprintf(top, sizeof(top), "%s/ctcr-fuzz.XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	assert_non_null(mkdtemp(top));
	snprintf(good, sizeof(good), "%s/good", top);
	assert_true(make_image(good) >= 0);
	for (i = 0; i < rounds && (getenv("FUZZ_ROUNDS") || time(NULL) < end); i++)
		bad += play_round(good, first + i);
	nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	fprintf(stderr, "%u rounds\n", i);
	assert_int_equal(bad, 0);
	assert_true(i > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lies),
	};

	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
