package bed

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/valkeeper/valkeeper/api/v1alpha1"
)

const (
	// smallDisk is how much fits onto a small disk, in mebibytes.
	smallDisk = 64
	// disksPerHost is for how many pods there are some on each host.
	disksPerHost = 5
)

// SmallDisks are volumes of the test bed that can be filled without filling the
// machine's own disk. They are made beforehand, as an administrator makes local
// volumes, and have a class of their own.
type SmallDisks struct {
	cluster *Cluster
	class   string
	disks   []*corev1.PersistentVolume
}

// MakeSmallDisks makes some on each host, for instances of one namespace.
func (c *Cluster) MakeSmallDisks(ctx context.Context, namespace string) (*SmallDisks, error) {
	d := &SmallDisks{cluster: c, class: namespace}
	hosts, err := c.HostNames(ctx)
	if err != nil {
		return d, err
	}
	if err := c.Create(ctx, d.newClass()); err != nil {
		return d, fmt.Errorf("make a class of small volumes: %w", err)
	}
	for _, host := range hosts {
		for k := range disksPerHost {
			disk := d.newDisk(host, k)
			d.disks = append(d.disks, disk)
			if err := errors.Join(c.Disk(ctx, "make", disk), c.Create(ctx, disk)); err != nil {
				return d, fmt.Errorf("make a small volume on %s: %w", host, err)
			}
		}
	}
	return d, nil
}

func (d *SmallDisks) newClass() *storagev1.StorageClass {
	return &storagev1.StorageClass{
		ObjectMeta:        metav1.ObjectMeta{Name: d.class},
		Provisioner:       "kubernetes.io/no-provisioner",
		VolumeBindingMode: ptr.To(storagev1.VolumeBindingWaitForFirstConsumer),
	}
}

func (d *SmallDisks) newDisk(host string, k int) *corev1.PersistentVolume {
	name := fmt.Sprintf("%s-%s-%d", d.class, host, k)
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: size()},
			AccessModes:                   []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
			StorageClassName:              d.class,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/var/lib/volumes/" + name}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{host}}},
			}}}},
		},
	}
}

func size() resource.Quantity { return resource.MustParse(fmt.Sprintf("%dMi", smallDisk)) }

// Wish wishes that an instance keeps its data on them.
func (d *SmallDisks) Wish() Wish {
	return func(v *v1alpha1.Valkey) { v.Spec.Storage = &v1alpha1.Storage{Size: size(), Class: ptr.To(d.class)} }
}

// Drop removes them, once nobody uses them any more.
func (d *SmallDisks) Drop(ctx context.Context) error {
	if d == nil {
		return nil
	}
	errs := []error{client.IgnoreNotFound(d.cluster.Delete(ctx, d.newClass()))}
	for _, disk := range d.disks {
		errs = append(errs, client.IgnoreNotFound(d.cluster.Delete(ctx, disk)), d.cluster.Disk(ctx, "drop", disk))
	}
	return errors.Join(errs...)
}

// DiskOf is the small disk that a pod has its data on.
func (c *Cluster) DiskOf(ctx context.Context, pod *corev1.Pod) (*corev1.PersistentVolume, error) {
	for _, v := range pod.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim, disk := &corev1.PersistentVolumeClaim{}, &corev1.PersistentVolume{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: pod.Namespace, Name: v.PersistentVolumeClaim.ClaimName}, claim); err != nil {
			return nil, err
		}
		return disk, c.Get(ctx, client.ObjectKey{Name: claim.Spec.VolumeName}, disk)
	}
	return nil, fmt.Errorf("%s has no volume", pod.Name)
}

// Disk does something to a small disk where it is: make, fill, free or drop. The API
// server is not asked.
func (c *Cluster) Disk(ctx context.Context, verb string, disk *corev1.PersistentVolume) error {
	if disk.Spec.NodeAffinity == nil || disk.Spec.NodeAffinity.Required == nil {
		return fmt.Errorf("it is not known where %s is", disk.Name)
	}
	host := disk.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values[0]
	return c.testbed(ctx, "volume", verb, host, disk.Name, "--size", fmt.Sprintf("%dm", smallDisk))
}
