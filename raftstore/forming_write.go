package raftstore

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/raft"
)

// bootstrap writes the first configuration; with has the folders of those that form the cluster with
// this node. A crash behind the first step leaves a folder that was let in and holds nothing: the next
// start comes here again, or joins those who did it meanwhile. A crash inside the second leaves raft's
// term without the configuration, which raft takes for a cluster that is there: see finishFirst.
func (s *Store) bootstrap(with map[string]string) error {
	if err := s.parts.identity.SetFormed(foldersText(with)); err != nil {
		return fmt.Errorf("form the cluster: %w", err)
	}
	err := s.raft().BootstrapCluster(firstConfiguration(s.cfg.Peers)).Error()
	switch {
	case errors.Is(err, raft.ErrCantBootstrap):
		// Raft voted already, for one who did it before and sends it soon; or nobody does.
		if s.forming.refuse() {
			s.askReopen("the first configuration is missing")
		}
	case errors.Is(err, raft.ErrRaftShutdown):
		return nil
	case err != nil:
		return fmt.Errorf("write the first configuration: %w", err)
	}
	if s.gate != nil {
		s.gate.letIn(0)
	}
	if err == nil {
		s.log.Info("forming the cluster", "peers", peersText(s.cfg.Peers))
	}
	return nil
}

// finishAfter is how often raft must refuse to begin before its configuration is written without it:
// two heartbeats, in which a leader would have sent it.
const finishAfter = 10

// finishForming writes the first configuration if raft refused to, while no raft runs. It fails as the
// log.
func (s *Store) finishForming() error {
	if !s.forming.missesFirst() {
		return nil
	}
	return finishFirst(&s.parts, firstConfiguration(s.cfg.Peers))
}

// finishFirst does what a process that died in the middle of raft's BootstrapCluster left undone: raft
// has its term, and no entry to go with it. The entry is the same on every node that forms, so
// writing it takes back nothing that was voted. A log that has entries stays as it is. Raft must not
// run. It fails as the log.
func finishFirst(p *parts, first raft.Configuration) error {
	last, err := p.log.LastIndex()
	if err != nil {
		return fmt.Errorf("look for the first configuration: %w", err)
	}
	if _, has := p.checkpoints.Newest(); has || last > 0 {
		return nil
	}
	err = p.log.StoreLog(&raft.Log{Index: 1, Term: 1, Type: raft.LogConfiguration,
		Data: raft.EncodeConfiguration(first)})
	if err != nil {
		return fmt.Errorf("write the first configuration: %w", err)
	}
	return nil
}

// foldersText is the folders of some nodes as IDENTITY has them: by name, n1=ID,n2=….
func foldersText(folders map[string]string) string {
	var list []Peer
	for node, folder := range folders {
		list = append(list, Peer{node, folder})
	}
	return peersText(list)
}

// parseFolders reads what foldersText wrote.
func parseFolders(text string) map[string]string {
	folders := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		if node, folder, ok := strings.Cut(pair, "="); ok {
			folders[node] = folder
		}
	}
	return folders
}
