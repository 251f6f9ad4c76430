// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// pingTimeout is how long one echo may take; the tests ping their own loopback and
// the node's end of a veth.
const pingTimeout = 3 * time.Second

const (
	icmpEchoRequest = 8 // RFC 792
	icmpEchoReply   = 0
	icmpHeaderLen   = 8
)

// ping sends one ICMP echo by a datagram socket, which needs no capability but a
// group in net.ipv4.ping_group_range. It never falls back to a raw socket: that is
// what the tests are about.
func ping(args []string) (string, error) {
	if err := need(args, 1, 1); err != nil {
		return "", err
	}
	addr, err := netip.ParseAddr(args[0])
	if err != nil || !addr.Is4() {
		return "", usageError(fmt.Sprintf("%q is not an IPv4 address", args[0]))
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	if err != nil {
		return "", os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	timeout := unix.NsecToTimeval(pingTimeout.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout); err != nil {
		return "", os.NewSyscallError("setsockopt", err)
	}
	payload := []byte("nodegate probe")
	if err := unix.Sendto(fd, echoRequest(1, payload), 0, &unix.SockaddrInet4{Addr: addr.As4()}); err != nil {
		return "", os.NewSyscallError("sendto", err)
	}
	reply := make([]byte, 1500)
	n, from, err := unix.Recvfrom(fd, reply, 0)
	if errors.Is(err, unix.EAGAIN) {
		return "", os.NewSyscallError("recvfrom", unix.ETIMEDOUT)
	}
	if err != nil {
		return "", os.NewSyscallError("recvfrom", err)
	}
	if n < icmpHeaderLen || reply[0] != icmpEchoReply || !bytes.Equal(reply[icmpHeaderLen:n], payload) {
		return "", fmt.Errorf("not the reply to what was sent: % x", reply[:n])
	}
	sender := addr
	if from, ok := from.(*unix.SockaddrInet4); ok {
		sender = netip.AddrFrom4(from.Addr)
	}
	return "reply from " + sender.String(), nil
}

// echoRequest leaves identifier and checksum to the kernel, which fills both on a
// datagram socket.
func echoRequest(sequence uint16, payload []byte) []byte {
	packet := make([]byte, icmpHeaderLen, icmpHeaderLen+len(payload))
	packet[0] = icmpEchoRequest
	binary.BigEndian.PutUint16(packet[6:], sequence)
	return append(packet, payload...)
}
