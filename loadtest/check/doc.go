// Package check holds the answers of a run against what the API says afterwards. It believes nothing
// but the two: no file of the server, no counter of the driver. One violation fails the run.
package check
