package rawdiag

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The numbers in ancillary data are this machine's: cmsg(3).

func native32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
func native64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }

// controlMessage is a piece of ancillary data that holds one number.
func controlMessage(level, typ int32, value uint32) []byte {
	b := make([]byte, unix.CmsgSpace(4))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, typ
	h.SetLen(unix.CmsgLen(4))
	binary.NativeEndian.PutUint32(b[unix.CmsgLen(0):], value)
	return b
}
