/* A libnvidia-ml.so.1 that plays a machine read from a text file (environment STUB_NVML).
 *
 * One directive a line. Of the machine, before any gpu:
 *   driver 580.65.06           cuda 13000               init 18 (what nvmlInit returns)
 *   nvml 13.580.65.06          near A B LEVEL           p2p A B STATUS (of GPUs by index)
 * A device begins with `gpu NAME`, or `slice NAME` for a MIG slice of the last gpu; then, of it:
 *   uuid GPU-1111              memory TOTAL FREE USED   capability 8 9
 *   pci 00000000:17:00.0       process PID BYTES        graphics PID BYTES
 *   link up BUS | link up switch | link down            attributes SMS GPU_SLICES SLICES MIB
 *   set FUNCTION VALUE…        what a query without a directive of its own answers
 *   fail FUNCTION CODE         the function returns that code
 *   hang FUNCTION              the function never returns (`hang nvmlInitWithFlags` before any gpu)
 * What is not set is refused as not supported.
 *
 * nvmlInit and nvmlShutdown are appended to the file that STUB_NVML_LOG names. Struct layouts and
 * numbers are those of nvml.h. With OLD_DRIVER defined it lacks what drivers before 450 lack.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 64
#define TEXT 128
#define VALUES 6

typedef int nvmlReturn_t;
enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, SMALL = 7 };

typedef struct { char function[TEXT]; int code, hangs; } failure_t;
typedef struct { char function[TEXT]; int count; unsigned long long value[VALUES]; } setting_t;
typedef struct { char peer[32]; int active; } link_t;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } process_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2_t;
typedef struct { char legacy[16]; unsigned domain, bus, device, id, subsystem; char bus_id[32]; } pci_t;
typedef struct {
    unsigned field, scope; long long timestamp, latency; unsigned type; nvmlReturn_t outcome;
    union { unsigned long long ull; unsigned ui; } value;
} field_t;
typedef struct {
    unsigned sms, copy, decoders, encoders, jpegs, ofas, gpu_slices, slices; unsigned long long mib;
} attributes_t;
typedef struct gpu {
    char name[TEXT], uuid[TEXT], pci[32];
    unsigned long long total, free, used;
    int index, major, minor, processes, graphics, failures, settings, links, number;
    struct gpu *parent;
    attributes_t attributes;
    process_t process[MOST], graphic[MOST];
    failure_t failure[MOST];
    setting_t setting[MOST];
    link_t link[MOST];
} gpu_t;

static gpu_t devices[MOST], machine;
static int level[MOST][MOST], status[MOST][MOST];
static char driver[TEXT], nvml[TEXT];
static int made, count, cuda, init_code, started;

static gpu_t *top(int index) {
    for (int i = 0; i < made; i++)
        if (!devices[i].parent && devices[i].index == index) return &devices[i];
    return NULL;
}

static void fault(gpu_t *gpu, const char *rest, int hangs) {
    failure_t *f = &gpu->failure[gpu->failures++];
    sscanf(rest, "%127s %d", f->function, &f->code);
    f->hangs = hangs;
}

static void load(void) {
    FILE *file = fopen(getenv("STUB_NVML") ? getenv("STUB_NVML") : "/dev/null", "r");
    char line[512], rest[400], key[64];
    gpu_t *whole = NULL;
    memset(devices, 0, sizeof devices);
    memset(&machine, 0, sizeof machine);
    memset(status, 0, sizeof status);
    made = count = init_code = 0;
    for (int a = 0; a < MOST; a++) for (int b = 0; b < MOST; b++) level[a][b] = 50;
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        gpu_t *gpu = made ? &devices[made - 1] : &machine;
        int a, b, c;
        rest[0] = 0;
        if (sscanf(line, "%63s %399[^\n]", key, rest) < 1) continue;
        if (!strcmp(key, "driver")) snprintf(driver, TEXT, "%.95s", rest);
        else if (!strcmp(key, "nvml")) snprintf(nvml, TEXT, "%.95s", rest);
        else if (!strcmp(key, "cuda")) cuda = atoi(rest);
        else if (!strcmp(key, "init")) init_code = atoi(rest);
        else if (!strcmp(key, "near") && sscanf(rest, "%d %d %d", &a, &b, &c) == 3)
            level[a][b] = level[b][a] = c;
        else if (!strcmp(key, "p2p") && sscanf(rest, "%d %d %d", &a, &b, &c) == 3)
            status[a][b] = status[b][a] = c;
        else if (!strcmp(key, "gpu") && made < MOST) {
            whole = gpu = &devices[made++];
            gpu->index = count++;
            snprintf(gpu->name, 96, "%.95s", rest);
            snprintf(gpu->pci, 32, "00000000:%02X:00.0", 16 + gpu->index);
        } else if (!strcmp(key, "slice") && made < MOST && whole) {
            gpu = &devices[made++];
            gpu->parent = whole;
            gpu->number = whole->number++;
            snprintf(gpu->name, 96, "%.95s", rest);
        }
        else if (!strcmp(key, "uuid")) snprintf(gpu->uuid, 96, "%.95s", rest);
        else if (!strcmp(key, "pci")) snprintf(gpu->pci, 32, "%.31s", rest);
        else if (!strcmp(key, "memory"))
            sscanf(rest, "%llu %llu %llu", &gpu->total, &gpu->free, &gpu->used);
        else if (!strcmp(key, "capability")) sscanf(rest, "%d %d", &gpu->major, &gpu->minor);
        else if (!strcmp(key, "attributes"))
            sscanf(rest, "%u %u %u %llu", &gpu->attributes.sms, &gpu->attributes.gpu_slices,
                   &gpu->attributes.slices, &gpu->attributes.mib);
        else if (!strcmp(key, "process") && gpu->processes < MOST) {
            process_t *p = &gpu->process[gpu->processes++];
            sscanf(rest, "%u %llu", &p->pid, &p->used);
        } else if (!strcmp(key, "graphics") && gpu->graphics < MOST) {
            process_t *p = &gpu->graphic[gpu->graphics++];
            sscanf(rest, "%u %llu", &p->pid, &p->used);
        } else if (!strcmp(key, "link") && gpu->links < MOST) {
            link_t *l = &gpu->link[gpu->links++];
            l->active = sscanf(rest, "up %31s", l->peer) == 1;
        } else if (!strcmp(key, "set") && gpu->settings < MOST) {
            setting_t *s = &gpu->setting[gpu->settings++];
            s->count = sscanf(rest, "%127s %llu %llu %llu %llu", s->function, &s->value[0],
                              &s->value[1], &s->value[2], &s->value[3]) - 1;
        } else if (!strcmp(key, "fail") && gpu->failures < MOST) fault(gpu, rest, 0);
        else if (!strcmp(key, "hang") && gpu->failures < MOST) fault(gpu, rest, 1);
        else if (key[0] != '#') {
            fprintf(stderr, "stub nvml: line not understood: %s", line);
            abort();
        }
    }
    fclose(file);
}

static void maybe_hang(const gpu_t *gpu, const char *function) {
    for (int i = 0; i < gpu->failures; i++)
        if (gpu->failure[i].hangs && !strcmp(gpu->failure[i].function, function))
            for (;;) pause();
}

static nvmlReturn_t outcome(const gpu_t *gpu, const char *function) {
    if (!started) return UNINITIALIZED;
    maybe_hang(gpu, function);
    for (int i = 0; i < gpu->failures; i++)
        if (!strcmp(gpu->failure[i].function, function)) return gpu->failure[i].code;
    return SUCCESS;
}

static const setting_t *setting(const gpu_t *gpu, const char *function) {
    for (int i = 0; i < gpu->settings; i++)
        if (!strcmp(gpu->setting[i].function, function)) return &gpu->setting[i];
    return NULL;
}

#define REQUIRE(gpu) do { nvmlReturn_t r = outcome(gpu, __func__); if (r) return r; } while (0)
#define SETTING(gpu) REQUIRE(gpu); const setting_t *s = setting(gpu, __func__); if (!s) return NOT_SUPPORTED

static void note(const char *what) {
    FILE *file = getenv("STUB_NVML_LOG") ? fopen(getenv("STUB_NVML_LOG"), "a") : NULL;
    if (!file) return;
    fprintf(file, "%s\n", what);
    fclose(file);
}

nvmlReturn_t nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (!started) load();
    maybe_hang(&machine, __func__);
    if (init_code) return init_code;
    started++;
    note("init");
    return SUCCESS;
}

nvmlReturn_t nvmlShutdown(void) {
    if (!started) return UNINITIALIZED;
    started--;
    note("shutdown");
    return SUCCESS;
}

const char *nvmlErrorString(nvmlReturn_t code) { return code == 28 ? "GPU not found" : "an error"; }

nvmlReturn_t nvmlSystemGetDriverVersion(char *version, unsigned length) {
    REQUIRE(&machine);
    snprintf(version, length, "%s", driver);
    return SUCCESS;
}

nvmlReturn_t nvmlSystemGetNVMLVersion(char *version, unsigned length) {
    REQUIRE(&machine);
    snprintf(version, length, "%s", nvml);
    return SUCCESS;
}

nvmlReturn_t nvmlSystemGetCudaDriverVersion_v2(int *version) {
    REQUIRE(&machine);
    *version = cuda;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *found) {
    REQUIRE(&machine);
    *found = count;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, gpu_t **handle) {
    gpu_t *gpu = top(index);
    if (!gpu) return INVALID;
    REQUIRE(gpu);
    *handle = gpu;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetName(const gpu_t *gpu, char *name, unsigned length) {
    REQUIRE(gpu);
    snprintf(name, length, "%s", gpu->name);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetUUID(const gpu_t *gpu, char *uuid, unsigned length) {
    REQUIRE(gpu);
    snprintf(uuid, length, "%s", gpu->uuid);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(const gpu_t *gpu, pci_t *info) {
    REQUIRE(gpu);
    memset(info, 0, sizeof *info);
    snprintf(info->bus_id, sizeof info->bus_id, "%s", gpu->pci);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(const gpu_t *gpu, memory_t *memory) {
    REQUIRE(gpu);
    *memory = (memory_t){gpu->total, gpu->free, gpu->used};
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(const gpu_t *gpu, int *major, int *minor) {
    REQUIRE(gpu);
    *major = gpu->major;
    *minor = gpu->minor;
    return SUCCESS;
}

static nvmlReturn_t list(const process_t *from, int n, unsigned *size, process_t *to) {
    unsigned room = *size;
    *size = n;
    if (!n) return SUCCESS;
    if (room < (unsigned)n || !to) return SMALL;
    memcpy(to, from, n * sizeof *from);
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(const gpu_t *gpu, unsigned *n, process_t *to) {
    REQUIRE(gpu);
    return list(gpu->process, gpu->processes, n, to);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v2(const gpu_t *gpu, unsigned *n, process_t *to) {
    REQUIRE(gpu);
    return list(gpu->graphic, gpu->graphics, n, to);
}

/* One number, as `set FUNCTION VALUE` says it. */
#define NUMBER(function) \
    nvmlReturn_t function(const gpu_t *gpu, unsigned *value) { \
        SETTING(gpu); \
        *value = (unsigned)s->value[0]; \
        return SUCCESS; \
    }
NUMBER(nvmlDeviceGetFanSpeed)
NUMBER(nvmlDeviceGetPowerUsage)
NUMBER(nvmlDeviceGetPowerManagementLimit)
NUMBER(nvmlDeviceGetEnforcedPowerLimit)
NUMBER(nvmlDeviceGetPowerManagementDefaultLimit)
NUMBER(nvmlDeviceGetPerformanceState)
NUMBER(nvmlDeviceGetPersistenceMode)
NUMBER(nvmlDeviceGetComputeMode)
#ifndef OLD_DRIVER
NUMBER(nvmlDeviceGetNumaNodeId)
#endif
NUMBER(nvmlDeviceGetDisplayMode)
NUMBER(nvmlDeviceGetDisplayActive)
NUMBER(nvmlDeviceGetCurrPcieLinkGeneration)
NUMBER(nvmlDeviceGetMaxPcieLinkGeneration)
NUMBER(nvmlDeviceGetCurrPcieLinkWidth)
NUMBER(nvmlDeviceGetMaxPcieLinkWidth)
NUMBER(nvmlDeviceGetRetiredPagesPendingStatus)

/* Two numbers: utilisation (kernels, memory), ECC (now, after reboot), limits (least, most). */
#define TWO(function) \
    nvmlReturn_t function(const gpu_t *gpu, unsigned *first, unsigned *second) { \
        SETTING(gpu); \
        *first = (unsigned)s->value[0]; \
        *second = (unsigned)s->value[1]; \
        return SUCCESS; \
    }
TWO(nvmlDeviceGetEccMode)
TWO(nvmlDeviceGetPowerManagementLimitConstraints)

nvmlReturn_t nvmlDeviceGetUtilizationRates(const gpu_t *gpu, unsigned to[2]) {
    SETTING(gpu);
    to[0] = (unsigned)s->value[0];
    to[1] = (unsigned)s->value[1];
    return SUCCESS;
}

/* By kind: the clocks graphics, SM, memory; the one sensor; the thresholds shutdown, slowdown. */
#define BY_KIND(function) \
    nvmlReturn_t function(const gpu_t *gpu, unsigned kind, unsigned *value) { \
        SETTING(gpu); \
        if ((int)kind >= s->count) return INVALID; \
        *value = (unsigned)s->value[kind]; \
        return SUCCESS; \
    }
BY_KIND(nvmlDeviceGetClockInfo)
BY_KIND(nvmlDeviceGetMaxClockInfo)
BY_KIND(nvmlDeviceGetTemperature)
BY_KIND(nvmlDeviceGetTemperatureThreshold)

nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(const gpu_t *gpu, unsigned long long *bits) {
    SETTING(gpu);
    *bits = s->value[0];
    return SUCCESS;
}

/* set: corrected, uncorrected since the driver was loaded, then over the board's life. */
nvmlReturn_t nvmlDeviceGetTotalEccErrors(const gpu_t *gpu, unsigned kind, unsigned since,
                                         unsigned long long *errors) {
    SETTING(gpu);
    *errors = s->value[since * 2 + kind];
    return SUCCESS;
}

/* set: how many by single-bit errors, how many by double-bit ones. */
nvmlReturn_t nvmlDeviceGetRetiredPages(const gpu_t *gpu, unsigned cause, unsigned *n,
                                       unsigned long long *pages) {
    SETTING(gpu);
    unsigned room = *n;
    *n = (unsigned)s->value[cause];
    if (!pages || room < *n) return *n ? SMALL : SUCCESS;
    for (unsigned i = 0; i < *n; i++) pages[i] = 4096ull * i;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCpuAffinity(const gpu_t *gpu, unsigned words, unsigned long *set) {
    SETTING(gpu);
    for (unsigned i = 0; i < words; i++) set[i] = (int)i < s->count ? s->value[i] : 0;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetTopologyCommonAncestor(const gpu_t *a, const gpu_t *b, unsigned *found) {
    REQUIRE(a);
    *found = level[a->index][b->index];
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetP2PStatus(const gpu_t *a, const gpu_t *b, unsigned what, unsigned *found) {
    (void)what;
    REQUIRE(a);
    *found = status[a->index][b->index];
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkState(const gpu_t *gpu, unsigned link, unsigned *active) {
    REQUIRE(gpu);
    if (!gpu->links) return NOT_SUPPORTED;
    if ((int)link >= gpu->links) return INVALID;
    *active = gpu->link[link].active;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkVersion(const gpu_t *gpu, unsigned link, unsigned *version) {
    (void)link;
    SETTING(gpu);
    *version = (unsigned)s->value[0];
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkRemotePciInfo_v2(const gpu_t *gpu, unsigned link, pci_t *info) {
    REQUIRE(gpu);
    memset(info, 0, sizeof *info);
    snprintf(info->bus_id, sizeof info->bus_id, "%s", gpu->link[link].peer);
    return SUCCESS;
}

/* Field N of a device is `set fieldN VALUE`. */
nvmlReturn_t nvmlDeviceGetFieldValues(const gpu_t *gpu, int n, field_t *fields) {
    REQUIRE(gpu);
    for (int i = 0; i < n; i++) {
        char name[TEXT];
        snprintf(name, TEXT, "field%u", fields[i].field);
        const setting_t *s = setting(gpu, name);
        fields[i].outcome = s ? SUCCESS : NOT_SUPPORTED;
        fields[i].type = 3;
        fields[i].value.ull = s ? s->value[0] : 0;
    }
    return SUCCESS;
}

#ifndef OLD_DRIVER

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(const gpu_t *gpu, memory_v2_t *memory) {
    REQUIRE(gpu);
    if (memory->version != 0x02000028) return 25;
    memory->total = gpu->total;
    memory->free = gpu->free;
    memory->used = gpu->used;
    memory->reserved = gpu->total - gpu->free - gpu->used;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(const gpu_t *gpu, unsigned *n, process_t *to) {
    REQUIRE(gpu);
    return list(gpu->process, gpu->processes, n, to);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(const gpu_t *gpu, unsigned *n, process_t *to) {
    REQUIRE(gpu);
    return list(gpu->graphic, gpu->graphics, n, to);
}

nvmlReturn_t nvmlDeviceGetArchitecture(const gpu_t *gpu, unsigned *value) {
    SETTING(gpu);
    *value = (unsigned)s->value[0];
    return SUCCESS;
}

typedef struct { unsigned version, sensor; int celsius; } temperature_t;
nvmlReturn_t nvmlDeviceGetTemperatureV(const gpu_t *gpu, temperature_t *to) {
    REQUIRE(gpu);
    if (to->version != 0x100000C) return 25;
    const setting_t *s = setting(gpu, "nvmlDeviceGetTemperature");
    if (!s) return NOT_SUPPORTED;
    to->celsius = (int)s->value[0];
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCurrentClocksEventReasons(const gpu_t *gpu, unsigned long long *bits) {
    REQUIRE(gpu);
    const setting_t *s = setting(gpu, "nvmlDeviceGetCurrentClocksThrottleReasons");
    if (!s) return NOT_SUPPORTED;
    *bits = s->value[0];
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryAffinity(const gpu_t *gpu, unsigned words, unsigned long *set,
                                         unsigned scope) {
    (void)scope;
    SETTING(gpu);
    for (unsigned i = 0; i < words; i++) set[i] = (int)i < s->count ? s->value[i] : 0;
    return SUCCESS;
}

/* set: rows by corrected errors, by uncorrected ones, whether one is pending, whether one failed. */
nvmlReturn_t nvmlDeviceGetRemappedRows(const gpu_t *gpu, unsigned *corrected, unsigned *uncorrected,
                                       unsigned *pending, unsigned *failed) {
    SETTING(gpu);
    *corrected = (unsigned)s->value[0];
    *uncorrected = (unsigned)s->value[1];
    *pending = (unsigned)s->value[2];
    *failed = (unsigned)s->value[3];
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetNvLinkRemoteDeviceType(const gpu_t *gpu, unsigned link, unsigned *type) {
    REQUIRE(gpu);
    *type = strcmp(gpu->link[link].peer, "switch") ? 0 : 2;
    return SUCCESS;
}

TWO(nvmlDeviceGetMigMode)

nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(const gpu_t *gpu, unsigned *most) {
    REQUIRE(gpu);
    *most = 7;
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(gpu_t *gpu, unsigned number, gpu_t **handle) {
    REQUIRE(gpu);
    for (int i = 0; i < made; i++)
        if (devices[i].parent == gpu && devices[i].number == (int)number) {
            *handle = &devices[i];
            return SUCCESS;
        }
    return NOT_FOUND;
}

NUMBER(nvmlDeviceGetGpuInstanceId)
NUMBER(nvmlDeviceGetComputeInstanceId)

nvmlReturn_t nvmlDeviceGetAttributes_v2(const gpu_t *gpu, attributes_t *to) {
    REQUIRE(gpu);
    if (!gpu->attributes.sms) return NOT_SUPPORTED;
    *to = gpu->attributes;
    return SUCCESS;
}

#endif
