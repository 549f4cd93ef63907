package link

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
)

// Owner finds out which of some processes has the socket with a local address, from the kernel's
// tables. ok is false when none of them has it, or not any more.
func Owner(local *net.TCPAddr, pids map[string]int) (node string, ok bool) {
	inode := ""
	for range 10 { // the kernel's list may miss a line while others come and go
		if inode = inodeOf(local); inode != "" {
			break
		}
	}
	if inode == "" {
		return "", false
	}
	want := "socket:[" + inode + "]"
	for node, pid := range pids {
		fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			continue
		}
		for _, fd := range fds {
			if name, err := os.Readlink(fd); err == nil && name == want {
				return node, true
			}
		}
	}
	return "", false
}

// inodeOf looks up the socket with the local address, "" when there is none.
func inodeOf(local *net.TCPAddr) string {
	ip := local.IP.To4()
	if ip == nil {
		return ""
	}
	want := fmt.Sprintf("%02X%02X%02X%02X:%04X", ip[3], ip[2], ip[1], ip[0], local.Port)
	f, err := os.Open("/proc/net/tcp")
	if err != nil {
		return ""
	}
	defer f.Close()
	const localField, inodeField = 1, 9
	for lines := bufio.NewScanner(f); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) > inodeField && fields[localField] == want && fields[inodeField] != "0" {
			return fields[inodeField]
		}
	}
	return ""
}
