// Command holdfast is the one binary: a node of the ledger, the commands that ask one, and a demo.
//
// main.go starts here and ends with a status of exit.go. Each command has a file with its name;
// wiring.go alone knows the packages of the ledger. Settings come from package settings, requests
// go through package client, and nothing in here decides anything about stock.
package main
