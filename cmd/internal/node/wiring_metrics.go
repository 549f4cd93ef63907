package node

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"holdfast/adapters/httpapi"
)

// host is what a node says of its build and its machine, for `holdfast doctor` and for alarms.
type host struct {
	backup atomic.Int64 // when the last whole backup was taken from this node, ms; 0 is not since it began
}

// register adds the metrics of a node. It fails when one is taken.
func (h *host) register(r prometheus.Registerer, cfg *Config) error {
	info := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "holdfast_build_info", Help: "1; the label is the version of this build.",
		ConstLabels: prometheus.Labels{"version": cfg.Version},
	}, func() float64 { return 1 })
	files := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "holdfast_data_filesystem_info", Help: "1; the label is the kind of the data folder's file system.",
		ConstLabels: prometheus.Labels{"kind": fileSystemOf(cfg.Data)},
	}, func() float64 { return 1 })
	backup := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "holdfast_last_backup_timestamp_seconds",
		Help: "When the last whole backup was taken from this node; 0 is not since it began.",
	}, func() float64 { return float64(h.backup.Load()) / 1000 })
	all := []prometheus.Collector{info, files, backup}
	if cfg.TLS.Cert != "" {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "holdfast_peer_certificate_end_timestamp_seconds",
			Help: "When this node's certificate for the other nodes ends; 0 when its file cannot be read.",
		}, func() float64 { return endOf(cfg.TLS.Cert) }))
	}
	var faults []error
	for _, m := range all {
		faults = append(faults, r.Register(m))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("register the node's metrics: %w", err)
	}
	return nil
}

// endOf reads when a certificate ends: a file is changed while the node runs.
func endOf(file string) float64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return 0
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return 0
	}
	return float64(c.NotAfter.Unix())
}

// fileSystems are the kinds that matter, by the number that statfs(2) gives.
var fileSystems = map[int64]string{
	unix.EXT4_SUPER_MAGIC: "ext4", unix.XFS_SUPER_MAGIC: "xfs", unix.BTRFS_SUPER_MAGIC: "btrfs",
	unix.TMPFS_MAGIC: "tmpfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay", unix.NFS_SUPER_MAGIC: "nfs",
	unix.SMB_SUPER_MAGIC: "smb", unix.SMB2_SUPER_MAGIC: "smb", unix.CIFS_SUPER_MAGIC: "smb",
	unix.FUSE_SUPER_MAGIC: "fuse", unix.V9FS_MAGIC: "9p", unix.RAMFS_MAGIC: "ramfs",
	unix.F2FS_SUPER_MAGIC: "f2fs", 0x2fc12fc1: "zfs", // statfs(2) of 2024 does not list zfs
}

// fileSystemOf names the kind of the file system that dir is on, by its number when it has no name here.
func fileSystemOf(dir string) string {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return "unknown"
	}
	if name := fileSystems[int64(st.Type)]; name != "" {
		return name
	}
	return fmt.Sprintf("0x%x", uint32(st.Type))
}

// countedBackup tells the host of a backup that was written whole.
type countedBackup struct {
	httpapi.Backup
	host *host
}

// WriteTo writes the backup; the errors are those of what it is written to, and of the store.
func (b countedBackup) WriteTo(w io.Writer) (int64, error) {
	n, err := b.Backup.WriteTo(w)
	if err == nil {
		b.host.backup.Store(time.Now().UnixMilli())
	}
	return n, err
}
