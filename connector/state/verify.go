package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"strconv"
	"strings"
)

// What the pages of a bbolt file look like; numbers are in the order of the
// machine.
const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2

	pageHeader  = 16 // id, flags, count, overflow
	elementSize = 16
	bucketSize  = 16 // root page, sequence

	flagBranch, flagLeaf, flagMeta, flagFreelist = 1, 2, 4, 16

	leafBucket = 1 // the flag of a leaf's element that is a bucket

	noFreelist = ^uint64(0)
)

// meta is what a header says.
type meta struct {
	pageSize             uint32
	root, freelist, high uint64
	txid                 uint64
}

// report is what a check found that is no damage.
type report struct {
	oneMeta bool // only one of the two headers is good
}

// check walks a file by reading it, as a map of a damaged file is no safe
// thing. Every page is used once at most, so that no cycle is followed.
type check struct {
	src    io.ReaderAt
	meta   meta
	used   map[uint64]bool
	report report

	version int
	badSeal error      // counts only in a file that has seals
	found   func(Held) // is given the positions of such a file; nil: nobody asks
}

// verify reads a whole file of the given size and returns the first thing in
// it that cannot be. found is given every position, also those in front of that.
func verify(src io.ReaderAt, size int64, found func(Held)) (report, error) {
	c := &check{src: src, found: found, used: map[uint64]bool{0: true, 1: true}, version: 1}
	if err := c.readMeta(size); err != nil {
		return c.report, err
	}
	if err := c.tree(c.meta.root, nil, nil); err != nil {
		return c.report, err
	}
	if err := c.freelist(); err != nil {
		return c.report, err
	}
	if c.version < format {
		c.badSeal = nil
	}
	return c.report, c.badSeal
}

// readMeta takes the newer of the good headers.
func (c *check) readMeta(size int64) error {
	var good []meta
	buf := make([]byte, pageHeader+64)
	for page := range int64(2) {
		at := int64(0)
		if page == 1 {
			at = c.secondPage(good)
		}
		if n, err := c.src.ReadAt(buf, at); n < len(buf) {
			if errors.Is(err, io.EOF) {
				break
			}
			return err
		}
		if m, ok := parseMeta(buf[pageHeader:]); ok && binary.NativeEndian.Uint16(buf[8:]) == flagMeta {
			good = append(good, m)
		}
	}
	switch {
	case len(good) == 0:
		return errors.New("its header cannot be read")
	case len(good) == 2 && good[1].txid > good[0].txid:
		c.meta = good[1]
	default:
		c.meta = good[0]
	}
	c.report.oneMeta = len(good) == 1
	if c.meta.high > uint64(size)/uint64(c.meta.pageSize) {
		return fmt.Errorf("it has %d bytes, and should have %d at least", size, c.meta.high*uint64(c.meta.pageSize))
	}
	return nil
}

// secondPage is where the second header stands: the first says so, and without
// one it is the page size that nearly every machine has.
func (c *check) secondPage(first []meta) int64 {
	if len(first) == 1 {
		return int64(first[0].pageSize)
	}
	return 4096
}

func parseMeta(b []byte) (m meta, ok bool) {
	order := binary.NativeEndian
	m = meta{pageSize: order.Uint32(b[8:]), root: order.Uint64(b[16:]), freelist: order.Uint64(b[32:]), high: order.Uint64(b[40:]), txid: order.Uint64(b[48:])}
	sum := fnv.New64a()
	_, _ = sum.Write(b[:56])
	ok = order.Uint32(b) == metaMagic && order.Uint32(b[4:]) == metaVersion && sum.Sum64() == order.Uint64(b[56:]) &&
		m.pageSize >= 512 && m.pageSize <= 1<<20
	return m, ok
}

// tree walks a bucket from its root page. from is the key that the page's own
// begin with, nil at the root.
func (c *check) tree(id uint64, from []byte, path [][]byte) error {
	p, err := c.take(id)
	if err != nil {
		return err
	}
	return c.walk(p, from, path)
}

func (c *check) walk(p page, from []byte, path [][]byte) error {
	if pageHeader+p.count*elementSize > len(p.data) {
		return fmt.Errorf("page %d holds more than fits", p.id)
	}
	if p.flags == flagBranch && p.count == 0 {
		return fmt.Errorf("page %d is empty", p.id)
	}
	last := from
	for i := range p.count {
		key, err := c.element(p, i, path)
		if err != nil {
			return err
		}
		if order := bytes.Compare(last, key); order > 0 || order == 0 && i > 0 {
			return fmt.Errorf("the keys of page %d are not in order", p.id)
		}
		last = key
	}
	return nil
}

// element looks at one element of a page and returns its key.
func (c *check) element(p page, i int, path [][]byte) (key []byte, err error) {
	order, at := binary.NativeEndian, pageHeader+i*elementSize
	e := p.data[at : at+elementSize]
	switch p.flags {
	case flagBranch:
		key, ok := cut(p.data, at+int(order.Uint32(e)), int(order.Uint32(e[4:])))
		if !ok {
			return nil, fmt.Errorf("page %d points outside of itself", p.id)
		}
		return key, c.tree(order.Uint64(e[8:]), key, path)
	case flagLeaf:
		start, keyLen := at+int(order.Uint32(e[4:])), int(order.Uint32(e[8:]))
		key, ok := cut(p.data, start, keyLen)
		value, ok2 := cut(p.data, start+keyLen, int(order.Uint32(e[12:])))
		if !ok || !ok2 {
			return nil, fmt.Errorf("page %d points outside of itself", p.id)
		}
		if order.Uint32(e)&leafBucket != 0 {
			return key, c.bucket(p.id, value, append(path[:len(path):len(path)], key))
		}
		c.value(key, value, path)
		return key, nil
	default:
		return nil, fmt.Errorf("page %d is of no kind that belongs here", p.id)
	}
}

func cut(data []byte, at, n int) ([]byte, bool) {
	if at < 0 || n < 0 || at > len(data) || n > len(data)-at {
		return nil, false
	}
	return data[at : at+n : at+n], true
}

// bucket walks a bucket, which stands in its element when it is small.
func (c *check) bucket(id uint64, value []byte, path [][]byte) error {
	if len(value) < bucketSize || len(path) > 2 {
		return fmt.Errorf("page %d holds a bucket that cannot be", id)
	}
	if root := binary.NativeEndian.Uint64(value); root != 0 {
		return c.tree(root, nil, path)
	}
	if len(value) < bucketSize+pageHeader {
		return fmt.Errorf("page %d holds a bucket that cannot be", id)
	}
	p := pageOf(id, value[bucketSize:])
	if p.flags != flagLeaf {
		return fmt.Errorf("page %d holds a bucket that cannot be", id)
	}
	return c.walk(p, nil, path)
}

// value looks at what is stored under a key of the buckets in path.
func (c *check) value(key, value []byte, path [][]byte) {
	if len(path) == 1 && bytes.Equal(path[0], bucketFormat) {
		if n, err := strconv.Atoi(string(value)); err == nil && bytes.Equal(key, keyFormat) {
			c.version = n
		}
		return
	}
	full := append(path[:len(path):len(path)], key)
	plain, ok := unseal(value, full...)
	if !ok {
		if c.badSeal == nil {
			c.badSeal = errSeal(full...)
		}
		return
	}
	if c.found != nil && len(path) == 2 && bytes.Equal(path[0], bucketPositions) {
		pipeline, block, _ := strings.Cut(string(path[1]), "\x00")
		c.found(Held{pipeline, block, strings.TrimPrefix(string(key), "="), append([]byte{}, plain...)})
	}
}

// freelist looks at the list of the pages that may be written to: none of them
// is in use.
func (c *check) freelist() error {
	if c.meta.freelist == noFreelist {
		return nil
	}
	p, err := c.take(c.meta.freelist)
	if err != nil {
		return err
	}
	ids, ok := freeIDs(p)
	if p.flags != flagFreelist || !ok {
		return fmt.Errorf("page %d is not the list of free pages", p.id)
	}
	for ; len(ids) > 0; ids = ids[8:] {
		id := binary.NativeEndian.Uint64(ids)
		if id < 2 || id >= c.meta.high || c.used[id] {
			return fmt.Errorf("page %d is listed as free and is not", id)
		}
		c.used[id] = true
	}
	return nil
}
