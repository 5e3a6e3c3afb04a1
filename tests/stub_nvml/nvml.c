/* A libnvidia-ml.so.1 that plays a machine read from a text file (environment STUB_NVML).
 *
 * One directive a line; `fail` and what describes a GPU belong to the last `gpu` line:
 *
 *   driver 580.65.06           cuda 13000               init 18 (what nvmlInit returns)
 *   gpu NVIDIA RTX 4090        uuid GPU-1111            memory TOTAL FREE USED
 *   capability 8 9             process PID BYTES        graphics PID BYTES
 *   fail nvmlDeviceGetMemoryInfo_v2 3                   (before any gpu: of the machine)
 *
 * nvmlInit and nvmlShutdown are appended to the file that STUB_NVML_LOG names. Struct layouts are
 * those of nvml.h. A function that this file lacks is one that an old driver lacks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 16
#define TEXT 128

typedef int nvmlReturn_t;
enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, SMALL = 7 };

typedef struct { char function[TEXT]; int code; } failure_t;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } process_t;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } memory_v2_t;
typedef struct {
    char name[TEXT], uuid[TEXT];
    unsigned long long total, free, used;
    int major, minor, processes, graphics, failures;
    process_t process[MOST], graphic[MOST];
    failure_t failure[MOST];
} gpu_t;

static gpu_t gpus[MOST], machine;
static char driver[TEXT];
static int count, cuda, init_code, started;

static void load(void) {
    FILE *file = fopen(getenv("STUB_NVML") ? getenv("STUB_NVML") : "/dev/null", "r");
    char line[512], rest[400], key[64];
    memset(gpus, 0, sizeof gpus);
    memset(&machine, 0, sizeof machine);
    count = init_code = 0;
    if (!file) return;
    while (fgets(line, sizeof line, file)) {
        gpu_t *gpu = count ? &gpus[count - 1] : &machine;
        process_t *p;
        rest[0] = 0;
        if (sscanf(line, "%63s %399[^\n]", key, rest) < 1) continue;
        if (!strcmp(key, "driver")) snprintf(driver, TEXT, "%.95s", rest);
        else if (!strcmp(key, "cuda")) cuda = atoi(rest);
        else if (!strcmp(key, "init")) init_code = atoi(rest);
        else if (!strcmp(key, "gpu") && count < MOST) snprintf(gpus[count++].name, 96, "%.95s", rest);
        else if (!strcmp(key, "uuid")) snprintf(gpu->uuid, 96, "%.95s", rest);
        else if (!strcmp(key, "memory"))
            sscanf(rest, "%llu %llu %llu", &gpu->total, &gpu->free, &gpu->used);
        else if (!strcmp(key, "capability")) sscanf(rest, "%d %d", &gpu->major, &gpu->minor);
        else if (!strcmp(key, "process") && gpu->processes < MOST) {
            p = &gpu->process[gpu->processes++];
            sscanf(rest, "%u %llu", &p->pid, &p->used);
        } else if (!strcmp(key, "graphics") && gpu->graphics < MOST) {
            p = &gpu->graphic[gpu->graphics++];
            sscanf(rest, "%u %llu", &p->pid, &p->used);
        } else if (!strcmp(key, "fail") && gpu->failures < MOST) {
            failure_t *f = &gpu->failure[gpu->failures++];
            sscanf(rest, "%127s %d", f->function, &f->code);
        } else if (key[0] != '#') {
            fprintf(stderr, "stub nvml: line not understood: %s", line);
            abort();
        }
    }
    fclose(file);
}

static nvmlReturn_t outcome(const gpu_t *gpu, const char *function) {
    if (!started) return UNINITIALIZED;
    for (int i = 0; i < gpu->failures; i++)
        if (!strcmp(gpu->failure[i].function, function)) return gpu->failure[i].code;
    return SUCCESS;
}

#define REQUIRE(gpu) do { nvmlReturn_t r = outcome(gpu, __func__); if (r) return r; } while (0)

static void note(const char *what) {
    FILE *file = getenv("STUB_NVML_LOG") ? fopen(getenv("STUB_NVML_LOG"), "a") : NULL;
    if (!file) return;
    fprintf(file, "%s\n", what);
    fclose(file);
}

nvmlReturn_t nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    load();
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
    if (index >= (unsigned)count) return INVALID_ARGUMENT;
    REQUIRE(&gpus[index]);
    *handle = &gpus[index];
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

nvmlReturn_t nvmlDeviceGetMemoryInfo(const gpu_t *gpu, memory_t *memory) {
    REQUIRE(gpu);
    *memory = (memory_t){gpu->total, gpu->free, gpu->used};
    return SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(const gpu_t *gpu, memory_v2_t *memory) {
    REQUIRE(gpu);
    if (memory->version != 0x02000028) return 25;
    memory->total = gpu->total;
    memory->free = gpu->free;
    memory->used = gpu->used;
    memory->reserved = gpu->total - gpu->free - gpu->used;
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

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(const gpu_t *gpu, unsigned *n, process_t *to) {
    REQUIRE(gpu);
    return list(gpu->process, gpu->processes, n, to);
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(const gpu_t *gpu, unsigned *n, process_t *to) {
    REQUIRE(gpu);
    return list(gpu->process, gpu->processes, n, to);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(const gpu_t *gpu, unsigned *n, process_t *to) {
    REQUIRE(gpu);
    return list(gpu->graphic, gpu->graphics, n, to);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v2(const gpu_t *gpu, unsigned *n, process_t *to) {
    REQUIRE(gpu);
    return list(gpu->graphic, gpu->graphics, n, to);
}
