// Command robustness runs three real nodes, breaks what can break, and judges whether the ledger
// kept its promises. Everything it does is drawn from the seed that it prints first.
//
//	go run ./cmd/robustness -seed 1 -minutes 10   # faults as chance has it, for ten minutes
//	go run ./cmd/robustness -profile full         # the long run, with a number of each kind
//	go run ./cmd/robustness -kills 20 -partitions 5
//	go run ./cmd/robustness -bugs                 # nodes that are broken on purpose must be caught
//
// It exits with 0 when no rule was broken, 1 when one was, 2 when it could not be run. With rights
// to mount, each node has a file system of its own, in a mount namespace that ends with the
// command.
package main
