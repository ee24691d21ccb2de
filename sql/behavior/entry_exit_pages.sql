-- One row per page, by kind (`page_type`) and by address (`page_url`, the thousand with most visits): where
-- visits begin and end. A visit enters at its first page that is known and leaves at its last. `exit_rate` is
-- the part of the visits that saw the page and ended on it, `ci_low` and `ci_high` bound it; a purchase is a
-- good end, so that `exits_without_purchase` stands beside it. `entry_conversion` is the part of the visits
-- that entered here and bought. Events without a page (sales that joined a visit) have none.
with events as (
    select
        e.visit_number,
        e.page_type_number,
        e.page_url_number
    from behavior.numbered_events as e
    where e.visit_number > 0
),

visits as (
    select
        v.session_id,
        v.entry_page_url,
        v.exit_page_url,
        v.entry_page_type,
        v.exit_page_type,
        v.is_bounce,
        v.purchases > 0 as is_converted,
        v.net_sales
    from core.visits as v
),

names as (
    select
        n.level,
        n.name,
        n.number
    from behavior.numbered_names as n
),

ends as (
    select
        n.visit_number,
        t1.number as entry_page_type_number,
        t2.number as exit_page_type_number,
        u1.number as entry_page_url_number,
        u2.number as exit_page_url_number
    from visits as v
    inner join behavior.numbered_visits as n on v.session_id = n.session_id
    left join names as t1 on v.entry_page_type = t1.name and t1.level = 'page_type'
    left join names as t2 on v.exit_page_type = t2.name and t2.level = 'page_type'
    left join names as u1 on v.entry_page_url = u1.name and u1.level = 'page_url'
    left join names as u2 on v.exit_page_url = u2.name and u2.level = 'page_url'
),

-- visits and the pages that they saw, each once
seen_types as (
    select
        e.visit_number,
        e.page_type_number as number
    from events as e
    where e.page_type_number is not null
    union
    select
        v.visit_number,
        v.entry_page_type_number as number
    from ends as v
    where v.entry_page_type_number is not null
    union
    select
        v.visit_number,
        v.exit_page_type_number as number
    from ends as v
    where v.exit_page_type_number is not null
),

seen_urls as (
    select
        e.visit_number,
        e.page_url_number as number
    from events as e
    where e.page_url_number is not null
    union
    select
        v.visit_number,
        v.entry_page_url_number as number
    from ends as v
    where v.entry_page_url_number is not null
    union
    select
        v.visit_number,
        v.exit_page_url_number as number
    from ends as v
    where v.exit_page_url_number is not null
),

saw as (
    select
        'page_type' as level,
        s.number,
        count(*) as sessions
    from seen_types as s
    group by s.number
    union all
    select
        'page_url' as level,
        s.number,
        count(*) as sessions
    from seen_urls as s
    group by s.number
),

hits as (
    select
        'page_type' as level,
        e.page_type_number as number,
        count(*) as hits
    from events as e
    where e.page_type_number is not null
    group by e.page_type_number
    union all
    select
        'page_url' as level,
        e.page_url_number as number,
        count(*) as hits
    from events as e
    where e.page_url_number is not null
    group by e.page_url_number
),

pages as (
    select
        s.level,
        n.name as page,
        s.sessions,
        coalesce(h.hits, 0) as hits
    from saw as s
    inner join names as n on s.level = n.level and s.number = n.number
    left join hits as h on s.level = h.level and s.number = h.number
),

ranked as (
    select
        p.level,
        p.page,
        p.sessions,
        p.hits,
        row_number() over (partition by p.level order by p.sessions desc, p.page) as rank
    from pages as p
),

entries as (
    select
        'page_type' as level,
        v.entry_page_type as page,
        v.is_bounce,
        v.is_converted,
        v.net_sales
    from visits as v
    where v.entry_page_type is not null
    union all
    select
        'page_url' as level,
        v.entry_page_url as page,
        v.is_bounce,
        v.is_converted,
        v.net_sales
    from visits as v
    where v.entry_page_url is not null
),

entered as (
    select
        e.level,
        e.page,
        count(*) as entries,
        count(*) filter (where e.is_bounce) as entry_bounces,
        count(*) filter (where e.is_converted) as entry_conversions,
        sum(e.net_sales) as entry_net_sales
    from entries as e
    group by e.level, e.page
),

exits as (
    select
        'page_type' as level,
        v.exit_page_type as page,
        v.is_converted
    from visits as v
    where v.exit_page_type is not null
    union all
    select
        'page_url' as level,
        v.exit_page_url as page,
        v.is_converted
    from visits as v
    where v.exit_page_url is not null
),

left_at as (
    select
        e.level,
        e.page,
        count(*) as exits,
        count(*) filter (where not e.is_converted) as exits_without_purchase
    from exits as e
    group by e.level, e.page
),

constants as (
    select
        1.959964::double precision as z,
        p.min_group_size
    from core.parameters as p
),

numbers as (
    select
        r.level,
        r.page,
        r.rank,
        r.sessions,
        r.hits,
        coalesce(n.entries, 0) as entries,
        coalesce(n.entry_bounces, 0) as entry_bounces,
        coalesce(n.entry_conversions, 0) as entry_conversions,
        coalesce(n.entry_net_sales, 0) as entry_net_sales,
        coalesce(x.exits, 0) as exits,
        coalesce(x.exits_without_purchase, 0) as exits_without_purchase,
        sum(coalesce(n.entries, 0)) over (partition by r.level) as all_entries,
        r.sessions::double precision as n,
        coalesce(x.exits, 0)::double precision as k,
        coalesce(n.entries, 0)::double precision as entry_n,
        coalesce(n.entry_conversions, 0)::double precision as entry_k
    from ranked as r
    left join entered as n on r.level = n.level and r.page = n.page
    left join left_at as x on r.level = x.level and r.page = x.page
),

final as (
    select
        r.level,
        r.page,
        r.rank,
        r.sessions,
        r.hits,
        r.entries,
        r.all_entries,
        r.entries::double precision / nullif(r.all_entries, 0) as entry_share,
        r.entry_bounces,
        r.entry_bounces::double precision / nullif(r.entries, 0) as entry_bounce_rate,
        r.entry_conversions,
        r.entry_conversions::double precision / nullif(r.entries, 0) as entry_conversion,
        case
            when r.entries > 0 then greatest(
                0,
                (
                    2 * r.entry_k + c.z * c.z
                    - c.z * sqrt(c.z * c.z + 4 * r.entry_k * (r.entry_n - r.entry_k) / nullif(r.entry_n, 0))
                ) / nullif(2 * (r.entry_n + c.z * c.z), 0)
            )
        end as entry_conversion_ci_low,
        case
            when r.entries > 0 then least(
                1,
                1 - (
                    2 * (r.entry_n - r.entry_k) + c.z * c.z
                    - c.z * sqrt(c.z * c.z + 4 * r.entry_k * (r.entry_n - r.entry_k) / nullif(r.entry_n, 0))
                ) / nullif(2 * (r.entry_n + c.z * c.z), 0)
            )
        end as entry_conversion_ci_high,
        r.entry_net_sales,
        r.exits,
        r.exits_without_purchase,
        r.k / nullif(r.n, 0) as exit_rate,
        greatest(
            0,
            (2 * r.k + c.z * c.z - c.z * sqrt(c.z * c.z + 4 * r.k * (r.n - r.k) / nullif(r.n, 0)))
            / nullif(2 * (r.n + c.z * c.z), 0)
        ) as ci_low,
        least(
            1,
            1 - (
                2 * (r.n - r.k) + c.z * c.z
                - c.z * sqrt(c.z * c.z + 4 * r.k * (r.n - r.k) / nullif(r.n, 0))
            ) / nullif(2 * (r.n + c.z * c.z), 0)
        ) as ci_high,
        r.sessions < c.min_group_size as low_n
    from numbers as r
    cross join constants as c
    where r.level = 'page_type' or r.rank <= 1000
)

select * from final
