-- One row per level (category, product), breakdown (gender, age group, location, RFM segment), group and
-- item: what the group chooses more, or less, than everybody else. A choice is a customer who bought a
-- product, however often; goods only, all shops. `share` is the item's part of the group's choices, so that
-- groups who buy much do not seem to prefer everything; `preference_index` divides it by the part among all
-- other known groups. Choices of one customer go together: test and interval count customers, not choices.
-- Categories stand here for every group; products only if they are still sold, the group chooses them more
-- and the q-value is below 0.05, at most 20 for each group. Customers whose group is unknown are left out of
-- that breakdown. RFM segments bought at different times, so they also prefer what was sold, or in season,
-- then.
with limits as (
    select
        p.min_group_size,
        20 as most_products,
        5 as least_expected,
        1.959964::double precision as z
    from core.parameters as p
),

goods as (
    select
        p.product_id,
        p.product_name,
        p.category,
        p.is_active
    from core.products as p
    where p.product_type = 'goods'
),

chosen as (
    select distinct
        s.customer_id,
        s.product_id,
        g.category,
        g.is_active
    from core.sales as s
    cross join core.clock as c
    inner join goods as g on s.product_id = g.product_id
    where s.is_valid and s.line_type = 'sale' and s.customer_id is not null and s.sold_date <= c.as_of_date
),

buyers as (
    select
        c.customer_id,
        count(*) as choices
    from chosen as c
    group by c.customer_id
),

members as (
    select
        b.customer_id,
        b.choices,
        'gender' as breakdown,
        m.gender as member
    from buyers as b
    inner join core.customers as m on b.customer_id = m.customer_id
    where m.gender <> 'unknown'
    union all
    select
        b.customer_id,
        b.choices,
        'age_group' as breakdown,
        m.age_group as member
    from buyers as b
    inner join core.customers as m on b.customer_id = m.customer_id
    where m.age_group <> 'Unknown'
    union all
    select
        b.customer_id,
        b.choices,
        'location' as breakdown,
        m.location_group as member
    from buyers as b
    inner join customer.groups as m on b.customer_id = m.customer_id
    where m.location_group <> 'Unknown'
    union all
    select
        b.customer_id,
        b.choices,
        'rfm_segment' as breakdown,
        m.segment as member
    from buyers as b
    inner join customer.rfm as m on b.customer_id = m.customer_id
),

groups as (
    select
        m.breakdown,
        m.member,
        count(*) as customers,
        sum(m.choices)::bigint as all_choices,
        sum(m.choices * m.choices)::bigint as squares
    from members as m
    group by m.breakdown, m.member
),

everybody as (
    select
        g.breakdown,
        sum(g.customers)::bigint as customers,
        sum(g.all_choices)::bigint as all_choices,
        sum(g.squares)::bigint as squares
    from groups as g
    group by g.breakdown
),

items as (
    select
        c.customer_id,
        'category' as level,
        c.category as item,
        count(*) as choices
    from chosen as c
    group by c.customer_id, c.category
    union all
    select
        c.customer_id,
        'product' as level,
        c.product_id as item,
        1 as choices
    from chosen as c
    where c.is_active
),

sums as (
    select
        i.level,
        m.breakdown,
        m.member,
        i.item,
        count(*) as buyers,
        sum(i.choices)::bigint as choices,
        sum(i.choices * i.choices)::bigint as squares,
        sum(i.choices * m.choices)::bigint as products
    from items as i
    inner join members as m on i.customer_id = m.customer_id
    group by i.level, m.breakdown, m.member, i.item
),

item_sums as (
    select
        s.level,
        s.breakdown,
        s.item,
        sum(s.choices)::bigint as choices,
        sum(s.squares)::bigint as squares,
        sum(s.products)::bigint as products
    from sums as s
    group by s.level, s.breakdown, s.item
),

-- every group with every item that a known group chose, of products those with enough to be expected
sides as (
    select
        i.level,
        g.breakdown,
        g.member,
        i.item,
        g.customers,
        e.customers - g.customers as rest_customers,
        coalesce(s.buyers, 0) as buyers,
        coalesce(s.choices, 0) as x,
        g.all_choices as t,
        i.choices - coalesce(s.choices, 0) as rest_x,
        e.all_choices - g.all_choices as rest_t,
        coalesce(s.squares, 0) as xx,
        coalesce(s.products, 0) as xt,
        g.squares as tt,
        i.squares - coalesce(s.squares, 0) as rest_xx,
        i.products - coalesce(s.products, 0) as rest_xt,
        e.squares - g.squares as rest_tt,
        i.choices as all_x,
        e.all_choices as all_t,
        g.customers < l.min_group_size
        or e.customers - g.customers < l.min_group_size
        or g.all_choices * i.choices < l.least_expected * e.all_choices
        or (e.all_choices - g.all_choices) * i.choices < l.least_expected * e.all_choices as low_n
    from groups as g
    cross join limits as l
    inner join everybody as e on g.breakdown = e.breakdown
    inner join item_sums as i on g.breakdown = i.breakdown
    left join sums as s
        on i.level = s.level and g.breakdown = s.breakdown and g.member = s.member and i.item = s.item
),

shares as (
    select
        s.level,
        s.breakdown,
        s.member,
        s.item,
        s.customers,
        s.buyers,
        s.x,
        s.t,
        s.rest_x,
        s.rest_t,
        s.xx,
        s.xt,
        s.tt,
        s.rest_xx,
        s.rest_xt,
        s.rest_tt,
        s.low_n,
        s.customers::double precision / nullif(s.customers - 1, 0) as correction,
        s.rest_customers::double precision / nullif(s.rest_customers - 1, 0) as rest_correction,
        s.x::double precision / nullif(s.t, 0) as p,
        s.rest_x::double precision / nullif(s.rest_t, 0) as rest_p,
        s.all_x::double precision / nullif(s.all_t, 0) as all_p
    from sides as s
    where s.level = 'category' or not s.low_n
),

-- residuals of customers around one share for all (the test), and around each side's own (the interval)
variances as (
    select
        s.level,
        s.breakdown,
        s.member,
        s.item,
        s.p - s.rest_p as difference,
        s.p / nullif(s.rest_p, 0) as preference_index,
        sqrt(
            greatest(s.xx - 2 * s.all_p * s.xt + s.all_p * s.all_p * s.tt, 0) * s.correction
            / nullif(s.t::double precision * s.t, 0)
            + greatest(s.rest_xx - 2 * s.all_p * s.rest_xt + s.all_p * s.all_p * s.rest_tt, 0)
            * s.rest_correction / nullif(s.rest_t::double precision * s.rest_t, 0)
        ) as null_error,
        sqrt(
            greatest(s.xx - 2 * s.p * s.xt + s.p * s.p * s.tt, 0) * s.correction
            / nullif(s.x::double precision * s.x, 0)
            + greatest(s.rest_xx - 2 * s.rest_p * s.rest_xt + s.rest_p * s.rest_p * s.rest_tt, 0)
            * s.rest_correction / nullif(s.rest_x::double precision * s.rest_x, 0)
        ) as log_error
    from shares as s
    where not s.low_n
),

tests as (
    select
        v.level,
        v.breakdown,
        v.member,
        v.item,
        abs(v.difference) / nullif(v.null_error * sqrt(2::double precision), 0) as u
    from variances as v
    where v.null_error > 0
),

chances as (
    select
        t.level,
        t.breakdown,
        t.member,
        t.item,
        t.u,
        1 / nullif(1 + 0.5::double precision * t.u, 0) as t
    from tests as t
),

p_values as (
    select
        h.level,
        h.breakdown,
        h.member,
        h.item,
        least(
            1,
            h.t * exp(greatest(
                -h.u * h.u - 1.26551223 + h.t * (1.00002368 + h.t * (0.37409196 + h.t * (0.09678418 + h.t * (
                    -0.18628806 + h.t * (0.27886807 + h.t * (-1.13520398 + h.t * (1.48851587 + h.t * (
                        -0.82215223 + h.t * 0.17087277
                    ))))
                )))),
                -700
            ))
        ) as p
    from chances as h
),

ordered as (
    select
        p.level,
        p.breakdown,
        p.member,
        p.item,
        p.p,
        row_number() over (partition by p.level, p.breakdown order by p.p, p.member, p.item) as place,
        count(*) over (partition by p.level, p.breakdown) as tests
    from p_values as p
),

q_values as (
    select
        o.level,
        o.breakdown,
        o.member,
        o.item,
        o.p,
        least(
            1,
            min(o.p * o.tests / nullif(o.place, 0)) over (
                partition by o.level, o.breakdown
                order by o.p desc, o.member desc, o.item desc rows unbounded preceding
            )
        ) as q
    from ordered as o
),

judged as (
    select
        s.level,
        s.breakdown,
        s.member,
        s.item,
        s.customers,
        s.buyers,
        s.x as choices,
        s.t as all_choices,
        s.p as share,
        s.rest_x as rest_choices,
        s.rest_t as rest_all_choices,
        s.rest_p as rest_share,
        v.preference_index,
        case
            when v.log_error is not null then v.preference_index * exp(greatest(-l.z * v.log_error, -700))
        end as ci_low,
        case
            when v.log_error is not null then v.preference_index * exp(least(l.z * v.log_error, 700))
        end as ci_high,
        q.p as p_value,
        q.q as q_value,
        s.low_n,
        case
            when s.low_n then 'not_enough_data'
            when q.q < 0.05 and v.difference > 0 then 'preferred'
            when q.q < 0.05 and v.difference < 0 then 'avoided'
            else 'no_difference'
        end as verdict
    from shares as s
    cross join limits as l
    left join variances as v
        on s.level = v.level and s.breakdown = v.breakdown and s.member = v.member and s.item = v.item
    left join q_values as q
        on s.level = q.level and s.breakdown = q.breakdown and s.member = q.member and s.item = q.item
),

ranked as (
    select
        j.level,
        j.breakdown,
        j.member,
        j.item,
        row_number() over (
            partition by j.level, j.breakdown, j.member
            order by j.ci_low desc nulls last, j.choices desc, j.item
        ) as rank
    from judged as j
    where j.verdict = 'preferred'
),

final as (
    select
        j.level,
        j.breakdown,
        j.member,
        j.item,
        coalesce(g.product_name, j.item) as item_name,
        coalesce(g.category, j.item) as category,
        r.rank,
        j.customers,
        j.buyers,
        j.choices,
        j.all_choices,
        j.share,
        j.rest_choices,
        j.rest_all_choices,
        j.rest_share,
        j.preference_index,
        j.ci_low,
        j.ci_high,
        j.p_value,
        j.q_value,
        j.low_n,
        j.verdict
    from judged as j
    cross join limits as l
    left join ranked as r
        on j.level = r.level and j.breakdown = r.breakdown and j.member = r.member and j.item = r.item
    left join goods as g on j.level = 'product' and j.item = g.product_id
    where j.level = 'category' or r.rank <= l.most_products
)

select * from final
