-- One row per event of core.activity, with numbers in place of names (behavior.numbered_names,
-- numbered_visits, numbered_kinds). `place` is the place of an interaction in its visit; sales that joined a
-- visit, and events outside any visit, whose visit is 0, have negative ones that say nothing. Outside the
-- visits an event has a visitor where one of that name has a visit, and a purchase has its own kind, of
-- channel `unknown`.
with names as (
    select
        n.level,
        n.name,
        n.number,
        n.state_number,
        case when g.product_type = 'goods' then n.number end as good_number
    from behavior.numbered_names as n
    left join core.products as g on n.name = g.product_id and n.level = 'product'
),

visits as (
    select
        v.session_id,
        v.visit_number,
        v.visitor_number,
        v.kind_number
    from behavior.numbered_visits as v
),

visitors as (
    select distinct
        v.visitor_id,
        v.visitor_number
    from behavior.numbered_visits as v
),

events as (
    select
        a.event_id,
        v.visit_number,
        v.visitor_number,
        v.kind_number,
        a.session_position,
        p.number as product_number,
        p.good_number,
        e.number as event_type_number,
        t.number as page_type_number,
        t.state_number as page_state_number,
        u.number as page_url_number,
        case a.event_type when 'view' then 1 when 'cart' then 2 when 'purchase' then 3 end as funnel_step,
        a.event_type,
        a.visitor_id,
        a.device_type,
        a.location,
        a.step_rank,
        a.occurred_at,
        a.occurred_date,
        a.occurred_month
    from core.activity as a
    inner join names as e on a.event_type = e.name and e.level = 'event_type'
    left join visits as v on a.session_id = v.session_id
    left join names as p on a.product_id = p.name and p.level = 'product'
    left join names as t on a.page_type = t.name and t.level = 'page_type'
    left join names as u on a.page_url = u.name and u.level = 'page_url'
),

final as (
    select
        e.visit_number,
        e.session_position as place,
        e.visitor_number,
        e.kind_number,
        e.product_number,
        e.good_number,
        e.event_type_number,
        e.page_type_number,
        e.page_state_number,
        e.page_url_number,
        e.step_rank,
        e.funnel_step,
        e.occurred_at,
        e.occurred_date,
        e.occurred_month
    from events as e
    where e.visit_number is not null and e.session_position is not null
    union all
    select
        coalesce(e.visit_number, 0) as visit_number,
        -row_number() over (order by e.event_id) as place,
        coalesce(e.visitor_number, v.visitor_number) as visitor_number,
        coalesce(e.kind_number, k.kind_number) as kind_number,
        e.product_number,
        e.good_number,
        e.event_type_number,
        e.page_type_number,
        e.page_state_number,
        e.page_url_number,
        e.step_rank,
        e.funnel_step,
        e.occurred_at,
        e.occurred_date,
        e.occurred_month
    from events as e
    left join visitors as v on e.visitor_id = v.visitor_id
    left join behavior.numbered_kinds as k
        on e.device_type = k.device_type
        and e.location = k.location
        and k.channel = 'unknown'
        and e.event_type = 'purchase'
    where e.visit_number is null or e.session_position is null
)

select * from final
