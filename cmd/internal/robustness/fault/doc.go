// Package fault does to a cluster what the world does: processes die and pause, links fail in many
// shapes, disks hang, fill up, lose what was not synced and change bytes. Each fault begins and
// ends by itself and leaves a cluster that can become whole again.
package fault
