package main

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// limitMemory gives the collector a limit where the environment has none (GOMEMLIMIT): three
// quarters of what the process may use. The rest is for the disk's cache, which restart and
// checkpoints live on, and for what the runtime does not count. It returns the limit in bytes, 0
// when the environment decides or nothing is known.
func limitMemory(env string) int64 {
	if env != "" {
		return 0
	}
	usable := int64(math.MaxInt64)
	for _, path := range []string{"/sys/fs/cgroup/memory.max",
		"/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if text, err := os.ReadFile(path); err == nil {
			if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
				usable = min(usable, n)
			}
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		usable = min(usable, totalMemory(string(text)))
	}
	if usable == math.MaxInt64 {
		return 0
	}
	limit := usable / 4 * 3
	debug.SetMemoryLimit(limit)
	return limit
}

// totalMemory reads the bytes of "MemTotal:  16384 kB", or gives the most there is.
func totalMemory(meminfo string) int64 {
	for line := range strings.Lines(meminfo) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return n << 10
			}
		}
	}
	return math.MaxInt64
}
