package rawdiag

import "encoding/binary"

// splitError splits the body of an ICMP error into what it quotes and the
// extension that may follow, RFC 4884, section 4: the length of the quote, in
// words of 4 bytes (8 for ICMPv6), is in a byte that used to be unused. Where that
// is 0, or more than there is, all is quote.
func splitError(p Protocol, b []byte) (quote, extension []byte) {
	body := b[8:]
	length := int(b[5]) * 4
	if p == ICMPv6 {
		length = int(b[4]) * 8
	}
	if length < 128 || length > len(body) {
		return body, nil
	}
	return body[:length], body[length:]
}

// parseLabels reads the label stacks of an extension: RFC 4884, section 7, and
// RFC 4950. What is not right is left out: a router's decoration is no reason to
// refuse what it says.
func parseLabels(extension []byte) []Label {
	if len(extension) < 4 || extension[0]>>4 != 2 || Checksum(extension) != 0 {
		return nil
	}
	var labels []Label
	for objects := extension[4:]; len(objects) >= 4; {
		length := int(binary.BigEndian.Uint16(objects))
		if length < 4 || length > len(objects) {
			break
		}
		const mpls, incoming = 1, 1
		if objects[2] == mpls && objects[3] == incoming {
			for entry := objects[4:length]; len(entry) >= 4; entry = entry[4:] {
				word := binary.BigEndian.Uint32(entry)
				labels = append(labels, Label{Label: word >> 12, TTL: uint8(word)})
			}
		}
		objects = objects[length:]
	}
	return labels
}
