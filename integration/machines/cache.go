// SPDX-FileCopyrightText: The nodegate authors
// SPDX-License-Identifier: Apache-2.0

package machines

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// cache is the folder of everything that takes long to make: roots, images and saved
// states. Each is a folder named after what it is and a digest of all that it was made of,
// so that one that is there is right.
type cache string

// entry returns the folder of name and key. Where there is none, fill makes its content,
// once also when two runs ask at the same time, and what the name had before goes.
func (c cache) entry(name, key string, fill func(dir string) error) (string, error) {
	dir := c.path(name, key)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	unlock, err := c.lock(name)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil // made by another run meanwhile
	}
	// What a killed run has left half made is nobody's now that the lock is ours.
	for _, pattern := range []string{".new-" + name + ".*", name + "@*"} {
		if err := c.remove(pattern); err != nil {
			return "", err
		}
	}
	fresh := filepath.Join(string(c), ".new-"+name+".d")
	if err := os.Mkdir(fresh, 0o755); err != nil {
		return "", fmt.Errorf("making %s: %w", name, err)
	}
	if err := fill(fresh); err != nil {
		return "", errors.Join(fmt.Errorf("making %s: %w", name, err), os.RemoveAll(fresh))
	}
	if err := os.Rename(fresh, dir); err != nil {
		return "", fmt.Errorf("making %s: %w", name, err)
	}
	return dir, nil
}

func (c cache) path(name, key string) string { return filepath.Join(string(c), name+"@"+key) }

func (c cache) remove(pattern string) error {
	old, err := filepath.Glob(filepath.Join(string(c), pattern))
	if err != nil {
		return err
	}
	for _, path := range old {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("removing what was made before: %w", err)
		}
	}
	return nil
}

// lock waits for whoever makes the same thing.
func (c cache) lock(name string) (unlock func(), err error) {
	if err := os.MkdirAll(string(c), 0o755); err != nil {
		return nil, fmt.Errorf("making the folder of machines: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(string(c), "."+name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", name, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", name, err), f.Close())
	}
	return func() { f.Close() }, nil
}

// digest is a key of all that is given.
func digest(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return fmt.Sprintf("%x", sum[:8])
}

// digestFiles is a key of files, by their bytes, and of a folder's.
func digestFiles(paths ...string) (string, error) {
	sum := sha256.New()
	for _, path := range paths {
		err := filepath.WalkDir(path, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			f, err := os.Open(name)
			if err != nil {
				return err
			}
			defer f.Close()
			fmt.Fprintf(sum, "\x00%s\x00", d.Name())
			_, err = io.Copy(sum, f)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("looking at what a machine is made of: %w", err)
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil)[:8]), nil
}

// digestTimes is a key of large files, by size and time: reading gigabytes at each start
// would cost more than it tells.
func digestTimes(paths ...string) (string, error) {
	var parts []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return "", fmt.Errorf("looking at what a machine is made of: %w", err)
		}
		parts = append(parts, fmt.Sprint(info.Name(), info.Size(), info.ModTime().UnixNano()))
	}
	return digest(parts...), nil
}
