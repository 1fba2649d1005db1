package state

import (
	"encoding/binary"
	"fmt"
)

// page is one page with those that it flows over into.
type page struct {
	id    uint64
	flags uint16
	count int
	data  []byte
}

// take reads a page that nothing else uses.
func (c *check) take(id uint64) (page, error) {
	head := make([]byte, pageHeader)
	size := uint64(c.meta.pageSize)
	if id < 2 || id >= c.meta.high {
		return page{}, fmt.Errorf("page %d is not in it", id)
	}
	if _, err := c.src.ReadAt(head, int64(id*size)); err != nil {
		return page{}, fmt.Errorf("page %d cannot be read: %w", id, err)
	}
	order := binary.NativeEndian
	over := uint64(order.Uint32(head[12:]))
	if own := order.Uint64(head); own != id || id+over >= c.meta.high {
		return page{}, fmt.Errorf("page %d is not what was stored there", id)
	}
	for n := id; n <= id+over; n++ {
		if c.used[n] {
			return page{}, fmt.Errorf("page %d is used twice", n)
		}
		c.used[n] = true
	}
	data := make([]byte, (over+1)*size)
	if _, err := c.src.ReadAt(data, int64(id*size)); err != nil {
		return page{}, fmt.Errorf("page %d cannot be read: %w", id, err)
	}
	return pageOf(id, data), nil
}

func pageOf(id uint64, data []byte) page {
	return page{id: id, flags: binary.NativeEndian.Uint16(data[8:]), count: int(binary.NativeEndian.Uint16(data[10:])), data: data}
}

// freeIDs returns the list, eight bytes each. One that is long has its length
// in front.
func freeIDs(p page) ([]byte, bool) {
	at, count := pageHeader, uint64(p.count)
	if p.count == 0xFFFF && len(p.data) >= at+8 {
		count = binary.NativeEndian.Uint64(p.data[at:])
		at += 8
	}
	if count > uint64(len(p.data)-at)/8 {
		return nil, false
	}
	return p.data[at : at+int(count)*8], true
}
