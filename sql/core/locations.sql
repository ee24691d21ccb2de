-- One row per location that customers, shops or devices name, in lower case with single spaces, and how it is shown.
-- Spellings that differ by case or spaces alone are one location, shown in the most frequent spelling. One that is
-- written in small letters or in capitals alone gets capitals at the beginning of its words, unless it is a code as
-- short as USA; `Frankfurt am Main` stays. `core.location_aliases` wins, also for what means nothing (`n/a`).
with delivered as (
    select trim(regexp_replace(c.location, '\s+', ' ', 'g')) as spelling
    from landed.customers as c
    union all
    select trim(regexp_replace(s.location, '\s+', ' ', 'g')) as spelling
    from landed.stores as s
    union all
    select trim(regexp_replace(d.location, '\s+', ' ', 'g')) as spelling
    from landed.devices as d
),

spellings as (
    select
        d.spelling,
        count(*) as times
    from delivered as d
    where d.spelling <> ''
    group by d.spelling
),

judged as (
    select
        s.spelling,
        s.times,
        s.spelling in (lower(s.spelling), upper(s.spelling)) and s.spelling <> upper(left(s.spelling, 3)) as is_plain
    from spellings as s
),

words as (
    select
        j.spelling,
        w.position,
        split_part(lower(j.spelling), ' ', w.position) as word
    from judged as j
    cross join lateral generate_series(1, length(j.spelling) - length(replace(j.spelling, ' ', '')) + 1) as w(position)
    where j.is_plain
),

titled as (
    select
        w.spelling,
        string_agg(upper(left(w.word, 1)) || substring(w.word from 2), ' ' order by w.position) as location
    from words as w
    group by w.spelling
),

counted as (
    select
        lower(j.spelling) as location_key,
        coalesce(t.location, j.spelling) as location,
        sum(j.times) as times
    from judged as j
    left join titled as t on j.spelling = t.spelling
    group by lower(j.spelling), coalesce(t.location, j.spelling)
),

ranked as (
    select
        c.location_key,
        c.location,
        row_number() over (partition by c.location_key order by c.times desc, c.location) as place
    from counted as c
),

final as (
    select
        r.location_key,
        coalesce(a.location, r.location) as location
    from ranked as r
    left join core.location_aliases as a on r.location_key = a.alias
    where r.place = 1
)

select * from final
