// Package loopback finds ports for nodes that run beside each other on one machine.
package loopback

import (
	"fmt"
	"math/rand/v2"
	"net"
)

// Free finds n free addresses on loopback, below the range that the kernel gives to outgoing
// connections, so that a node which was killed finds its ports free again. They are free when Free
// returns; nothing keeps them so. It fails when there are none.
func Free(n int) ([]string, error) {
	const low, high, tries = 20_000, 32_000, 10_000
	open := make([]net.Listener, 0, n)
	defer func() {
		for _, ln := range open {
			_ = ln.Close()
		}
	}()
	var addrs []string
	for range tries {
		if len(addrs) == n {
			return addrs, nil
		}
		addr := fmt.Sprintf("127.0.0.1:%d", low+rand.IntN(high-low))
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			continue // somebody's; another one
		}
		open, addrs = append(open, ln), append(addrs, addr)
	}
	return nil, fmt.Errorf("no %d free ports between %d and %d on loopback", n, low, high)
}
