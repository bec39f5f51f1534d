SV *
tns_volume_list(struct tns_storage *st, UV vmid = 0)
  CODE:
    CALL(tns_volume_list(st, vmid, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

SV *
tns_volume_info(struct tns_storage *st, tns_text volname)
  CODE:
    CALL(tns_volume_info(st, volname, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

SV *
tns_volume_alloc(struct tns_storage *st, UV vmid, tns_text name, UV size_bytes)
  PREINIT:
    char volname[256] = "";
  CODE:
    CALL(tns_volume_alloc(st, vmid, name, size_bytes, volname, &c.err));
    tns_xs_finish(aTHX_ &c);
    RETVAL = newSVpv(volname, 0);
  OUTPUT:
    RETVAL

void
tns_volume_free(struct tns_storage *st, tns_text volname)
  CODE:
    CALL(tns_volume_free(st, volname, &c.err));
    tns_xs_finish(aTHX_ &c);

void
tns_volume_resize(struct tns_storage *st, tns_text volname, UV size_bytes)
  CODE:
    CALL(tns_volume_resize(st, volname, size_bytes, &c.err));
    tns_xs_finish(aTHX_ &c);

SV *
tns_volume_rename(struct tns_storage *st, tns_text volname, UV vmid, tns_text new_name)
  PREINIT:
    char renamed[256] = "";
  CODE:
    CALL(tns_volume_rename(st, volname, vmid, new_name, renamed, &c.err));
    tns_xs_finish(aTHX_ &c);
    RETVAL = newSVpv(renamed, 0);
  OUTPUT:
    RETVAL

SV *
tns_volume_create_base(struct tns_storage *st, tns_text volname)
  PREINIT:
    char base[256] = "";
  CODE:
    CALL(tns_volume_create_base(st, volname, base, &c.err));
    tns_xs_finish(aTHX_ &c);
    RETVAL = newSVpv(base, 0);
  OUTPUT:
    RETVAL

SV *
tns_volume_clone(struct tns_storage *st, tns_text volname, tns_text snap, UV vmid)
  PREINIT:
    char clone[256] = "";
  CODE:
    CALL(tns_volume_clone(st, volname, snap, vmid, clone, &c.err));
    tns_xs_finish(aTHX_ &c);
    RETVAL = newSVpv(clone, 0);
  OUTPUT:
    RETVAL

void
tns_volume_promote(struct tns_storage *st, tns_text volname)
  CODE:
    CALL(tns_volume_promote(st, volname, &c.err));
    tns_xs_finish(aTHX_ &c);

SV *
tns_volume_get_attribute(struct tns_storage *st, tns_text volname, tns_text name)
  CODE:
    CALL(tns_volume_get_attribute(st, volname, name, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

void
tns_volume_set_attribute(struct tns_storage *st, tns_text volname, tns_text name, tns_text value)
  CODE:
    CALL(tns_volume_set_attribute(st, volname, name, value, &c.err));
    tns_xs_finish(aTHX_ &c);

void
tns_volume_adopt(struct tns_storage *st, tns_text volname)
  CODE:
    CALL(tns_volume_adopt(st, volname, &c.err));
    tns_xs_finish(aTHX_ &c);

void
tns_volume_release(struct tns_storage *st, tns_text volname)
  CODE:
    CALL(tns_volume_release(st, volname, &c.err));
    tns_xs_finish(aTHX_ &c);

void
tns_snapshot_create(struct tns_storage *st, tns_text volname, tns_text snap)
  CODE:
    CALL(tns_snapshot_create(st, volname, snap, &c.err));
    tns_xs_finish(aTHX_ &c);

void
tns_snapshot_delete(struct tns_storage *st, tns_text volname, tns_text snap)
  CODE:
    CALL(tns_snapshot_delete(st, volname, snap, &c.err));
    tns_xs_finish(aTHX_ &c);

void
tns_snapshot_rename(struct tns_storage *st, tns_text volname, tns_text snap, tns_text new_name)
  CODE:
    CALL(tns_snapshot_rename(st, volname, snap, new_name, &c.err));
    tns_xs_finish(aTHX_ &c);

SV *
tns_snapshot_list(struct tns_storage *st, tns_text volname)
  CODE:
    CALL(tns_snapshot_list(st, volname, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

SV *
tns_rollback_check(struct tns_storage *st, tns_text volname, tns_text snap)
  CODE:
    CALL(tns_rollback_check(st, volname, snap, &c.json, &c.err));
    if (c.rc == -TNS_E_CONFLICT && c.json) c.rc = 0;
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

void
tns_rollback(struct tns_storage *st, tns_text volname, tns_text snap)
  CODE:
    CALL(tns_rollback(st, volname, snap, &c.err));
    tns_xs_finish(aTHX_ &c);

SV *
tns_volume_path(struct tns_storage *st, tns_text volname, tns_text snap)
  PREINIT:
    char path[512] = "";
  CODE:
    CALL(tns_volume_path(st, volname, snap, path, &c.err));
    tns_xs_finish(aTHX_ &c);
    RETVAL = newSVpv(path, 0);
  OUTPUT:
    RETVAL

SV *
tns_volume_map(struct tns_storage *st, tns_text volname, tns_text snap)
  CODE:
    CALL(tns_volume_map(st, volname, snap, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL

void
tns_volume_unmap(struct tns_storage *st, tns_text volname, tns_text snap)
  CODE:
    CALL(tns_volume_unmap(st, volname, snap, &c.err));
    tns_xs_finish(aTHX_ &c);

SV *
tns_volume_node_status(struct tns_storage *st, tns_text volname, int ask = 0)
  CODE:
    CALL(tns_volume_node_status(st, volname, ask, &c.json, &c.err));
    RETVAL = tns_xs_result(aTHX_ &c);
  OUTPUT:
    RETVAL
