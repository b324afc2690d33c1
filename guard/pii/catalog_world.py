# ruff: noqa: E501
"""The catalogue: national numbers of Asia outside China, of Africa and of Oceania."""

from __future__ import annotations

from guard.pii.national import ELEVENTH, FEW, MANY, SCARCE, TENTH, national
from guard.pii.rows import Road, Row

_PLATE_IN = r"[A-Z]{2}[ -]?[0-9]{1,2}[ -]?[A-Z]{1,3}[ -]?[0-9]{4}"
_PLATE_BH = r"2[1-9][ -]?BH[ -]?[0-9]{4}[ -]?[A-HJ-NP-Z]{1,2}"
_PLATE_TR = r"(?:0[1-9]|[1-7][0-9]|8[01])(?: [A-PR-VYZ]{1,3} |-[A-PR-VYZ]{1,3}-|[A-PR-VYZ]{1,3})[0-9]{2,4}"
_PROVINCE_ZA = "(?:GP|ZN|WP|EC|NC|FS|LP|MP|NW)"

WORLD = (
    # Oceania
    national("au.abn", "99 999 999 999", alone=SCARCE, check="au_abn"),
    national("au.acn", "999 999 999", alone=TENTH, check="au_acn"),
    national("au.tfn", "999 999 999", alone=0.39, check="au_tfn"),
    national("au.medicare", "[2-6]999 99999 9", "[2-6]999 99999 99", alone=TENTH, check="au_medicare"),
    national("nz.ird", "[0-9]{2}-999-999", "999-999-999", check="nz.ird"),
    national("nz.bankaccount", "99-9999-9999999-999", "99-9999-9999999-99", alone=FEW, check="nz.bankaccount"),
    # South Asia
    national("in.aadhaar", "[2-9]999 9999 9999", alone=ELEVENTH, check="in_aadhaar"),
    national("in.vid", "[2-9]999 9999 9999 9999", check="in_.vid"),
    national("in.gstin", "99AAAAA9999AX[Zz]X", alone=0.6, cued=0.95, check="in_gstin"),
    national("in.pan", "[A-Z]{3}[ABCFGHJLPT][A-Z]9999[A-Z]", alone=SCARCE, cued=0.9),
    national("in.pan", "AAAAA9999A", alone=0.35, cued=0.8),
    national("in.passport", "[A-Za-z][1-9]9 9999[1-9]", cue="passport", cued=0.8),
    national("in.voter", "[A-Za-z]{3}9999999", alone=MANY),
    Row("pii.in.vehicle_registration", _PLATE_IN, Road.WHOLE, 0.45, 0.85, check="in_vehicle", cue="plate", country="IN", alphabet="groups", longest=14),
    Row("pii.in.vehicle_registration", _PLATE_BH, Road.WHOLE, 0.45, 0.85, cue="plate", country="IN", alphabet="groups", longest=13),
    Row("pii.in.vehicle_registration", "[A-Z]{2}[0-9]{4}", Road.WHOLE, 0.35, 0.8, check="in_vehicle", cue="plate", country="IN", longest=6),
    Row("pii.in.vehicle_registration", "[A-Z]{3}[0-9]{4}", Road.WHOLE, 0.0, 0.8, cue="plate", country="IN", longest=7),
    national("pk.cnic", "[1-7]9999[-]9999999[-][0-9]", alone=MANY, check="pk.cnic"),
    national("pk.cnic", "[1-7]9999-9999999-9", check="pk.cnic"),
    # East Asia
    national("kr.rrn", "99[01]9[0-3]9-[1-4]999999", alone=0.44, cued=0.95, check="kr_rrn"),
    national("kr.frn", "99[01]9[0-3]9-[5-8]999999", alone=0.44, cued=0.95, check="kr_frn"),
    national("kr.brn", "999-99-99999", alone=ELEVENTH, check="kr_brn"),
    national("kr.driver_license", "(?:1[1-9]|2[0-8]) 99 999999 99", alone=MANY),
    national("kr.passport", "[MSRODmsrod]999[A-Za-z]9999", alone=ELEVENTH, cue="passport"),
    national("kr.passport", "[MSRODmsrod]99999999", alone=TENTH, cue="passport"),
    national("jp.in", "9999 9999 9999", alone=TENTH, check="jp_in"),
    national("jp.cn", "[1-9]999999999999", check="jp.cn"),
    # South-east Asia
    national("sg.nric_fin", "[STFGMstfgm]-9999999-A", alone=0.55, cued=0.95, check="sg_nric_fin"),
    national("sg.nric_fin", "[STFGM]9999999A", alone=TENTH, cued=0.8),
    national("sg.nric_fin", "[A-Z]9999999[A-Z]", alone=0.35, cued=0.8),
    national("sg.uen", "[0-9]{8,9}A", "[RSTrst]99AA9999A", alone=SCARCE, check="sg.uen"),
    national("th.tnin", "[1-8] 9999 99999 99 9", alone=0.39, cued=0.95, check="th_tnin"),
    national("th.tin", "9 9999 99999 99 9", check="th.tin"),
    national("th.moa", "0 9999 99999 99 9", check="th.moa"),
    national("my.nric", "99[01]9[0-3]9-99-9999", alone=MANY, check="my.nric"),
    national("id.nik", "9999999[0-9][01]9999999", alone=FEW, check="id.nik"),
    national("id.npwp", "99.999.999.9-999.999", alone=FEW, check="id.npwp"),
    national("vn.mst", "9999999999", "9999999999-999", check="vn.mst"),
    national("ph.tin", "999-999-999", "999-999-999-999", alone=0.37, check="ph_tin"),
    national("ph.umid", "9999[-]9999999[-]9", alone=SCARCE),
    national("ph.umid", "9999-9999999-9"),
    national("ph.passport", "[Pp]9999999[A-Z]", alone=0.35, cue="passport"),
    national("ph.passport", "[A-Z]{2}9999999", cue="passport", cued=0.8),
    # Turkey, Caucasus, Middle East
    national("tr.national_id", "[1-9]9999999999", alone=SCARCE, cued=0.95, check="tr_national_id"),
    national("tr.vkn", "9999999999", check="tr.vkn"),
    Row(
        "pii.tr.license_plate", rf"{_PLATE_TR}(?!:[0-9])", Road.WHOLE, 0.4, 0.85, gate=_PLATE_TR, cue="plate",  # no hours of a date
        country="TR", alphabet="groups", longest=11, ahead=2,
    ),
    national("az.voen", "9999999999", check="az.voen"),
    national("il.idnr", "99999999-9", alone=0.365, check="il_idnr"),
    national("il.hp", "5[0-9]{8}", check="il.hp"),
    # Africa
    national("za.id_number", "99[01]9[0-3]9 9999 [0-2][0-9]9", alone=SCARCE, cued=0.95, check="za_id_number"),
    national("za.company_registration", "(?:19|20)[0-9]{2}[/]999999[/]99", alone=SCARCE),
    national("za.company_registration", "(?:CK|NR|[KTWBMN])9999[/]999999", alone=ELEVENTH),
    national("za.driver_license", "[0-9]{6,10}[A-Za-z0-9]{2,5}", cued=0.7),
    national("za.income_tax_number", "[01239]999/999/99-9", check="za.tin"),
    national("za.passport", "[ADMT]99999999", alone=0.35, cued=0.9),
    national("za.traffic_register_number", "9999999999999"),
    national("za.vat_number", "4999999999", cued=0.8),
    Row(
        "pii.za.license_plate", rf"[A-Z]{{2}} ?[0-9]{{2}} ?[A-Z]{{2}} ?{_PROVINCE_ZA}|[A-Z]{{2,3}} ?[0-9]{{2,3}} ?{_PROVINCE_ZA}|[A-Z]{{2,3}}[0-9]{{2,4}}{_PROVINCE_ZA}", Road.WHOLE, MANY,
        0.85, cue="plate", country="ZA", alphabet="groups", longest=12,
    ),
    national("ng.nin", "99999999999", alone=0.37, check="ng_nin"),
    Row("pii.ng.vehicle_registration", r"[A-Z]{3}[ -]?[0-9]{3}[ -]?[A-Z]{2}", Road.WHOLE, SCARCE, 0.85, cue="plate", country="NG", alphabet="groups", longest=10),
    Row("pii.ng.vehicle_registration", r"[a-z]{3}-[0-9]{3}[a-z]{2}", Road.WHOLE, MANY, 0.85, cue="plate", country="NG", longest=9),
    national("gh.tin", "[PCGQVpcgqv]00999999[0-9]X", alone=MANY, check="gh.tin"),
    national("ke.pin", "[APap]999999999A", alone=MANY, check="ke.pin"),
    national("dz.nif", "[0-9]{15}", "[0-9]{20}", check="dz.nif"),
    national("eg.tn", "999-999-999", check="eg.tn"),
    national("gn.nifp", "999999999", check="gn.nifp"),
    national("ma.ice", "999999999999999", check="ma.ice"),
    national("mu.nid", "[A-Za-z][0-3]9[01]999999999X", alone=SCARCE, check="mu.nid"),
    national("mz.nuit", "999 999 999", check="mz.nuit"),
    national("sn.ninea", "[0-9]{9}[0-9][A-Za-z][0-9]", "999 999 9 [0-2][A-Za-z]9", check="sn.ninea"),
    national("tn.mf", "[0-9]{6,7}[A-Za-z][/]?[A-Za-z][/]?[A-Za-z][/]?999", alone=SCARCE, check="tn.mf"),
)  # fmt: skip
