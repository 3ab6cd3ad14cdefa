// Package labtest is what the tests of a lab are made of.
package labtest
