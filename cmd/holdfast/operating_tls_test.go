package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"holdfast/cmd/internal/client"
)

// TestOperatingPageOnTLS forms a cluster between whose nodes there is TLS, changes a node's key while
// units are reserved, and cuts a node off, as docs/OPERATING.md says.
func TestOperatingPageOnTLS(t *testing.T) {
	t.Parallel()
	p := readPage(t)
	p.run("Form", 1)
	p.says("`serve … --peer-tls-cert tls/n1.crt --peer-tls-key tls/n1.key --peer-tls-pins pins`",
		"To change a key add the new pin beside the old one everywhere, swap the files, then take the old "+
			"pin out; replace the file of pins by a rename",
		"A node whose pins are taken out is cut off at once")
	for _, n := range []string{"n1", "n2", "n3"} {
		p.serve(p.serveLine("Form", n) + fmt.Sprintf(
			" --peer-tls-cert tls/%[1]s.crt --peer-tls-key tls/%[1]s.key --peer-tls-pins pins", n))
	}
	p.members("127.0.0.1:7480", "n1", "n2", "n3")
	ask := []*client.Client{p.client("127.0.0.1:7480"), p.client("127.0.0.1:7580")}
	world(t, ask[0], trialSKUs, trialUnits)
	stop := load(ask, trialSKUs, 2)

	p.sh("holdfast cluster certificate --node n2 --out new > new-pin")
	p.sh("cp pins old-pins && cat pins new-pin > next && mv next pins")
	p.sh("mv new/n2.key tls/n2.key && mv new/n2.crt tls/n2.crt")
	p.quiet()
	p.sh(`awk '$1 != "n2"' old-pins > next && cat new-pin >> next && mv next pins`)
	p.quiet()
	p.members("127.0.0.1:7480", "n1", "n2", "n3") // by what was heard since
	p.members("127.0.0.1:7580", "n1", "n2", "n3")

	p.sh(`awk '$1 != "n3"' pins > next && mv next pins`)
	require.Eventually(t, func() bool {
		status, _ := p.try("holdfast cluster status --server $H")
		return status == exitFailure
	}, ready, 100*time.Millisecond, "n3 is still heard")
	verdicts, slowest := stop()
	for i, v := range verdicts {
		require.Equal(t, 201, v.Status, "reserve %d: %+v", i, v)
	}
	t.Logf("%d reserves meanwhile, the slowest took %v", len(verdicts), slowest)
}

// quiet lets pass for how long a member counts as heard, and in which files are read again.
func (p *page) quiet() {
	timer := time.NewTimer(4 * time.Second)
	defer timer.Stop()
	<-timer.C
}
