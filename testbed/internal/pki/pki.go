// Package pki makes the certificates and kubeconfigs of a cluster. One real
// authority, because pods must be able to verify the API server and the API
// server its kubelets.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Authority signs the certificates of one cluster and writes them to a folder.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

const validity = 10 * 365 * 24 * time.Hour

// Ensure opens the authority kept in a folder, or makes one.
func Ensure(dir, name string) (*Authority, error) {
	a := &Authority{dir: dir}
	err := a.read(name)
	if err == nil {
		return a, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("certificate authority in %s: %w", dir, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(validity),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	if err := write(dir, name, der, key); err != nil {
		return nil, err
	}
	return a, a.read(name)
}

func (a *Authority) read(name string) error {
	certPEM, err := os.ReadFile(a.CertFile(name))
	if err != nil {
		return err
	}
	keyPEM, err := os.ReadFile(a.KeyFile(name))
	if err != nil {
		return err
	}
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return fmt.Errorf("%s or %s holds no PEM", a.CertFile(name), a.KeyFile(name))
	}
	if a.cert, err = x509.ParseCertificate(certBlock.Bytes); err != nil {
		return err
	}
	key, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return err
	}
	ecKey, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return fmt.Errorf("%s holds a %T, not an ECDSA key", a.KeyFile(name), key)
	}
	a.key = ecKey
	return nil
}

// CertFile is where a certificate of that name is.
func (a *Authority) CertFile(name string) string { return filepath.Join(a.dir, name+".crt") }

// KeyFile is where the key of that name is.
func (a *Authority) KeyFile(name string) string { return filepath.Join(a.dir, name+".key") }

// Identity is what a certificate says of its holder.
type Identity struct {
	CommonName    string
	Organizations []string
	// Hosts are the names and addresses of a server; empty for a client.
	Hosts []string
}

// Issue writes a certificate and its key under a name, unless they are there.
func (a *Authority) Issue(name string, id Identity) error {
	if _, err := os.Stat(a.CertFile(name)); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: id.CommonName, Organization: id.Organizations},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(validity),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, host := range id.Hosts {
		if address := net.ParseIP(host); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return fmt.Errorf("certificate %s: %w", name, err)
	}
	return write(a.dir, name, der, key)
}

// write puts the key first and the certificate last, each renamed into place:
// a certificate that is there is complete, with its key.
func write(dir, name string, der []byte, key *ecdsa.PrivateKey) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	files := []struct {
		path, kind string
		bytes      []byte
		mode       os.FileMode
	}{
		{filepath.Join(dir, name+".key"), "PRIVATE KEY", keyDER, 0o600},
		{filepath.Join(dir, name+".crt"), "CERTIFICATE", der, 0o644},
	}
	for _, f := range files {
		half := f.path + ".half"
		if err := os.WriteFile(half, pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.bytes}), f.mode); err != nil {
			return err
		}
		if err := os.Rename(half, f.path); err != nil {
			return err
		}
	}
	return nil
}
