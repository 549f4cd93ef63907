// Package link stands between the peer ports of nodes as a TCP proxy that can delay, hold back, cut
// and isolate, each direction of each pair on its own. Nodes know each other only by the proxy's
// addresses; who has dialled is read from the kernel's table of sockets.
package link
