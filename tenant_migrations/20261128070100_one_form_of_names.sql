-- Names are looked up in one form of Unicode (NFC). Those that were kept in another one are brought to
-- it, unless that name is taken: then both stay as they are.
-- An address is compared with its letters folded: a sigma at a word's end is a sigma, before the @.
do $$
begin
    -- Other encodings know no forms.
    if getdatabaseencoding() = 'UTF8' then
        update nexus.roles set name = normalize(name, nfc)
        where name is not nfc normalized
          and not exists (select from nexus.roles as other where other.name = normalize(roles.name, nfc));
        update nexus.groups set name = normalize(name, nfc)
        where name is not nfc normalized
          and not exists (select from nexus.groups as other where other.name = normalize(groups.name, nfc));
        update nexus.users as one
        set email_key = translate(split_part(email_key, '@', 1), U&'\03C2\017F\00B5\03D0\03D1\03D5\03D6\03F0\03F1\03F5\1E9B\1FBE', U&'\03C3s\03BC\03B2\03B8\03C6\03C0\03BA\03C1\03B5\1E61\03B9')
                        || substr(email_key, strpos(email_key, '@'))
        where split_part(email_key, '@', 1) ~ U&'[\03C2\017F\00B5\03D0\03D1\03D5\03D6\03F0\03F1\03F5\1E9B\1FBE]'
          and not exists (
              select from nexus.users as other
              where other.email_key = translate(split_part(one.email_key, '@', 1), U&'\03C2\017F\00B5\03D0\03D1\03D5\03D6\03F0\03F1\03F5\1E9B\1FBE', U&'\03C3s\03BC\03B2\03B8\03C6\03C0\03BA\03C1\03B5\1E61\03B9')
                                      || substr(one.email_key, strpos(one.email_key, '@')));
    end if;
end
$$;
