/* A library that answers as NVIDIA's libnvidia-ml.so.1 does, about cards that a text file describes.

   FAKE_NVML_STATE names the file, which is read anew for every question, so that a test can change it while the program
   under test runs:

       driver 1                                   0: the driver is not loaded
       hang_ms 0                                  how long opening the library takes
       gpu 0000:01:00.0 <total> <free> <busy %> <degrees> <1 ok, 0 lost> <1 tells work by process>
       process <gpu> <pid> <bytes, -1 unknown> <c or g> <busy %>

   FAKE_NVML_LOG names a file to which every opening, closing and asked card is appended. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7,
       DRIVER_NOT_LOADED = 9, GPU_IS_LOST = 15, UNKNOWN = 999 };
enum { MOST_GPUS = 8, MOST_PROCESSES = 32 };

typedef unsigned long long u64;
typedef struct { char address[32]; u64 total, free; unsigned busy, degrees; int is_there, tells_processes; } Gpu;
typedef struct { int gpu; unsigned pid; long long bytes; char kind; unsigned busy; } Process;
typedef struct { int driver, hang_ms, gpus, processes; Gpu gpu[MOST_GPUS]; Process process[MOST_PROCESSES]; } State;
typedef struct { u64 total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned pid; u64 bytes; unsigned gpu_instance, compute_instance; } ProcessInfo;
typedef struct { unsigned pid; u64 taken_us; unsigned sm, memory, encoder, decoder; } Sample;

static int opened = 0;

static State look(void) {
    State state;
    char line[256];
    FILE *file = fopen(getenv("FAKE_NVML_STATE"), "r");
    memset(&state, 0, sizeof state);
    while (file && fgets(line, sizeof line, file)) {
        Gpu *gpu = &state.gpu[state.gpus];
        Process *process = &state.process[state.processes];
        sscanf(line, "driver %d", &state.driver);
        sscanf(line, "hang_ms %d", &state.hang_ms);
        if (state.gpus < MOST_GPUS &&
            sscanf(line, "gpu %31s %llu %llu %u %u %d %d", gpu->address, &gpu->total, &gpu->free, &gpu->busy,
                   &gpu->degrees, &gpu->is_there, &gpu->tells_processes) == 7)
            state.gpus++;
        if (state.processes < MOST_PROCESSES &&
            sscanf(line, "process %d %u %lld %c %u", &process->gpu, &process->pid, &process->bytes, &process->kind,
                   &process->busy) == 5)
            state.processes++;
    }
    if (file) fclose(file);
    return state;
}

static void note(const char *what, const char *about) {
    const char *path = getenv("FAKE_NVML_LOG");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file) return;
    fprintf(file, "%s%s%s\n", what, *about ? " " : "", about);
    fclose(file);
}

/* A handle is the card's number plus one, as a pointer. */
static int find(void *handle, State *state) {
    int number = (int)(long)handle - 1;
    *state = look();
    if (!opened) return -UNINITIALIZED;
    if (!state->driver) return -DRIVER_NOT_LOADED;
    if (number < 0 || number >= state->gpus) return -UNKNOWN;
    if (!state->gpu[number].is_there) return -GPU_IS_LOST;
    return number;
}

int nvmlInitWithFlags(unsigned flags) {
    State state = look();
    (void)flags;
    note("open", "");
    if (state.hang_ms) usleep((unsigned)state.hang_ms * 1000u);
    if (!state.driver) return DRIVER_NOT_LOADED;
    opened++;
    return SUCCESS;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }

int nvmlShutdown(void) {
    note("close", "");
    if (!opened) return UNINITIALIZED;
    opened--;
    return SUCCESS;
}

const char *nvmlErrorString(int code) { return code == SUCCESS ? "Success" : "fake failure"; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    State state = look();
    if (!opened) return UNINITIALIZED;
    if (!state.driver) return DRIVER_NOT_LOADED;
    *count = (unsigned)state.gpus;
    return SUCCESS;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    State state;
    int number = find((void *)(long)(index + 1), &state);
    if (number < 0) return -number;
    note("card", state.gpu[number].address);
    *handle = (void *)(long)(index + 1);
    return SUCCESS;
}

int nvmlDeviceGetHandleByPciBusId_v2(const char *address, void **handle) {
    State state = look();
    for (int each = 0; each < state.gpus; each++)
        if (!strcmp(state.gpu[each].address, address)) return nvmlDeviceGetHandleByIndex_v2((unsigned)each, handle);
    return NOT_FOUND;
}

int nvmlDeviceGetName(void *handle, char *name, unsigned length) {
    State state;
    int number = find(handle, &state);
    if (number < 0) return -number;
    snprintf(name, length, "FAKE GPU");
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(void *handle, Memory *memory) {
    State state;
    int number = find(handle, &state);
    if (number < 0) return -number;
    memory->total = state.gpu[number].total;
    memory->free = state.gpu[number].free;
    memory->used = memory->total - memory->free;
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(void *handle, Utilization *utilization) {
    State state;
    int number = find(handle, &state);
    if (number < 0) return -number;
    utilization->gpu = state.gpu[number].busy;
    utilization->memory = 0;
    return SUCCESS;
}

int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *degrees) {
    State state;
    int number = find(handle, &state);
    (void)sensor;
    if (number < 0) return -number;
    *degrees = state.gpu[number].degrees;
    return SUCCESS;
}

static int list_processes(void *handle, char kind, unsigned *count, ProcessInfo *infos) {
    State state;
    int number = find(handle, &state);
    unsigned found = 0, room = *count;
    if (number < 0) return -number;
    for (int each = 0; each < state.processes; each++) {
        Process process = state.process[each];
        if (process.gpu != number || process.kind != kind) continue;
        if (infos && found < room) {
            memset(&infos[found], 0, sizeof infos[found]);
            infos[found].pid = process.pid;
            infos[found].bytes = process.bytes < 0 ? ~0ull : (u64)process.bytes;
        }
        found++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void *handle, unsigned *count, ProcessInfo *infos) {
    return list_processes(handle, 'c', count, infos);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(void *handle, unsigned *count, ProcessInfo *infos) {
    return list_processes(handle, 'g', count, infos);
}

int nvmlDeviceGetProcessUtilization(void *handle, Sample *samples, unsigned *count, u64 since_us) {
    State state;
    struct timeval now;
    int number = find(handle, &state);
    unsigned found = 0, room = *count;
    if (number < 0) return -number;
    if (!state.gpu[number].tells_processes) return NOT_SUPPORTED;
    gettimeofday(&now, NULL);
    u64 now_us = (u64)now.tv_sec * 1000000ull + (u64)now.tv_usec;
    if (since_us > now_us) return NOT_FOUND;
    for (int each = 0; each < state.processes; each++) {
        Process process = state.process[each];
        if (process.gpu != number || !process.busy) continue;
        if (samples && found < room) samples[found] = (Sample){process.pid, now_us, process.busy, 0, 0, 0};
        found++;
    }
    *count = found;
    if (!found) return NOT_FOUND;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}
