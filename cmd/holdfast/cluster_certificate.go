package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"holdfast/cmd/internal/node"
)

const certificateHelp = `Makes a key and a certificate by which the other nodes know this one, in the
files NODE.key and NODE.crt of a folder, and prints the line for the file of
pins. It asks no server, and replaces nothing. The certificate has no end: a key
is good while its pin is in the file.

On each of three nodes:

  holdfast cluster certificate --node n1 --out tls

Put the three lines that it prints into one file, pins, on every node, and start
each with --peer-tls-cert tls/n1.crt --peer-tls-key tls/n1.key
--peer-tls-pins pins.

A new key, without a pause: make it in another folder, add its line to the pins
of every node beside the old one, replace NODE.key and NODE.crt, then take the
old line out everywhere. Each step counts within two seconds. A node whose lines
are taken out is cut off at once.`

func (a *app) certificateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "certificate",
		Short: "Make a node's key and certificate for TLS between the nodes",
		Long:  certificateHelp,
		Args:  cobra.NoArgs,
	}
	name := c.Flags().String("node", "", "name of the node")
	dir := c.Flags().String("out", "", "folder for the files, made when it is not there")
	c.RunE = func(*cobra.Command, []string) error {
		if *name == "" || *dir == "" {
			return usagef("cluster certificate needs --node and --out")
		}
		made, err := node.MakeCertificate(*name, *dir)
		if err != nil {
			return fmt.Errorf("make the certificate: %w", err)
		}
		fmt.Fprintln(a.stdout, made.Pin)
		fmt.Fprintf(a.stderr, "wrote %s and %s; the line above goes into every node's peer.tls.pins\n",
			made.Cert, made.Key)
		return nil
	}
	return c
}
