-- One row per customer with what marketing should do next for them, one action each.
-- Candidates are the action of their segment in core.segment_playbook, a cart that they left open, an order
-- that is due (0.8 to 1.5 of their usual interval has passed), what goes best with a product of their last
-- order, and winning them back where another order within 90 days is unlikely and they are among the customers
-- of most sales. The one with the highest expected value is best (ties: by action): the part of customers who
-- respond, from core.actions, times what such an order is worth: the cart, the product, or the customer's
-- expected order. Who did not agree to be written to gets the action `none`; `best_action` says what it would
-- be. Occasions of no day of their own, such as a segment, arise on the first of the month.
with clock as (
    select
        c.as_of_date,
        date_trunc('month', c.as_of_date::timestamp)::date as month_start,
        c.currency,
        p.timezone,
        p.high_value_share,
        p.priority_high_share,
        p.priority_medium_share
    from core.clock as c
    cross join core.parameters as p
),

actions as (
    select
        a.action,
        a.action_name,
        a.trigger,
        a.response_rate,
        a.days_valid,
        a.contact_channel
    from core.actions as a
),

playbook as (
    select
        b.segment,
        b.action,
        b.goal,
        b.offer
    from core.segment_playbook as b
),

customers as (
    select
        k.customer_id,
        k.marketing_consent,
        r.segment,
        r.last_order_date
    from core.customers as k
    inner join customer.rfm as r on k.customer_id = r.customer_id
),

orders as (
    select
        o.order_id,
        o.customer_id,
        o.order_date,
        o.ordered_at,
        o.order_value
    from core.orders as o
    cross join clock as c
    where o.order_date <= c.as_of_date
),

usual as (
    select (sum(o.order_value) / nullif(count(*), 0))::numeric(18, 4) as order_value
    from orders as o
),

values_ahead as (
    select
        v.customer_id,
        v.expected_order_value,
        v.churn_risk_90d,
        v.churn_risk_band,
        v.historic_value
    from customer.lifetime_value as v
),

best_customers as (
    select w.customer_id
    from (
        select
            v.customer_id,
            row_number() over (order by v.historic_value desc, v.customer_id) as place,
            count(*) over () as customers
        from values_ahead as v
    ) as w
    cross join clock as c
    where w.place <= w.customers * c.high_value_share
),

open_carts as (
    select
        a.customer_id,
        a.session_id,
        a.ended_at,
        sum(a.value) as cart_value
    from behavior.abandoned_carts as a
    where a.customer_id is not null and not a.is_recovered and not a.is_mature
    group by a.customer_id, a.session_id, a.ended_at
),

last_carts as (
    select distinct on (o.customer_id)
        o.customer_id,
        o.cart_value,
        (o.ended_at at time zone c.timezone)::date as cart_date
    from open_carts as o
    cross join clock as c
    order by o.customer_id, o.ended_at desc, o.session_id
),

due as (
    select
        f.customer_id,
        f.next_order_due_date
    from customer.purchase_frequency as f
    where f.overdue_ratio between 0.8 and 1.5
),

last_orders as (
    select distinct on (o.customer_id)
        o.customer_id,
        o.order_id,
        o.order_date
    from orders as o
    where o.customer_id is not null
    order by o.customer_id, o.ordered_at desc, o.order_id
),

bought as (
    select distinct
        s.customer_id,
        s.order_id,
        s.product_id
    from core.sales as s
    cross join clock as c
    where s.is_valid and s.line_type = 'sale' and s.customer_id is not null and s.product_id is not null
        and s.sold_date <= c.as_of_date
),

offers as (
    select distinct on (l.customer_id)
        l.customer_id,
        l.order_date,
        x.recommended_product_id as product_id,
        x.recommended_product_name as product_name,
        x.price
    from last_orders as l
    inner join bought as b on l.customer_id = b.customer_id and l.order_id = b.order_id
    inner join basket.cross_sell as x on b.product_id = x.product_id
    left join bought as h on l.customer_id = h.customer_id and x.recommended_product_id = h.product_id
    where h.customer_id is null and x.price is not null
    order by l.customer_id, x.expected_gain desc, x.recommended_product_id
),

candidates as (
    select
        k.customer_id,
        p.action,
        'segment ' || k.segment || ': ' || p.goal as reason,
        coalesce(v.expected_order_value, u.order_value) as order_value,
        c.month_start as arose_on,
        null::text as product_id,
        null::text as product_name
    from customers as k
    cross join clock as c
    cross join usual as u
    inner join playbook as p on k.segment = p.segment
    left join values_ahead as v on k.customer_id = v.customer_id
    union all
    select
        l.customer_id,
        a.action,
        'left a cart on ' || to_char(l.cart_date, 'YYYY-MM-DD') as reason,
        l.cart_value as order_value,
        l.cart_date as arose_on,
        null::text as product_id,
        null::text as product_name
    from last_carts as l
    inner join actions as a on a.trigger = 'abandoned_cart'
    union all
    select
        d.customer_id,
        a.action,
        'usually orders again by ' || to_char(d.next_order_due_date, 'YYYY-MM-DD') as reason,
        v.expected_order_value as order_value,
        d.next_order_due_date as arose_on,
        null::text as product_id,
        null::text as product_name
    from due as d
    inner join values_ahead as v on d.customer_id = v.customer_id
    inner join actions as a on a.trigger = 'replenishment_due'
    union all
    select
        o.customer_id,
        a.action,
        'goes with what was bought on ' || to_char(o.order_date, 'YYYY-MM-DD') as reason,
        o.price as order_value,
        o.order_date as arose_on,
        o.product_id,
        o.product_name
    from offers as o
    cross join clock as c
    inner join actions as a on a.trigger = 'cross_sell'
    where o.order_date + a.days_valid > c.as_of_date
    union all
    select
        v.customer_id,
        a.action,
        'one of the best customers, and another order within 90 days is unlikely' as reason,
        v.expected_order_value as order_value,
        c.month_start as arose_on,
        null::text as product_id,
        null::text as product_name
    from values_ahead as v
    cross join clock as c
    inner join best_customers as b on v.customer_id = b.customer_id
    inner join actions as a on a.trigger = 'win_back'
    where v.churn_risk_band = 'high'
),

valued as (
    select
        d.customer_id,
        d.action,
        d.reason,
        d.order_value,
        d.arose_on,
        d.product_id,
        d.product_name,
        a.action_name,
        a.contact_channel,
        a.response_rate,
        a.days_valid,
        (a.response_rate * greatest(d.order_value, 0))::numeric(18, 4) as expected_value
    from candidates as d
    inner join actions as a on d.action = a.action
),

best as (
    select distinct on (v.customer_id)
        v.customer_id,
        v.action,
        v.action_name,
        v.contact_channel,
        v.reason,
        v.product_id,
        v.product_name,
        v.response_rate,
        v.order_value,
        v.expected_value,
        v.arose_on + v.days_valid as expires_on
    from valued as v
    order by v.customer_id, v.expected_value desc nulls last, v.action, v.reason
),

ranked as (
    select
        b.customer_id,
        row_number() over (order by b.expected_value desc nulls last, b.customer_id) as place,
        count(*) over () as reachable
    from best as b
    inner join customers as k on b.customer_id = k.customer_id
    where k.marketing_consent
),

final as (
    select
        k.customer_id,
        k.segment,
        case when k.marketing_consent and b.action is not null then b.action else 'none' end as action,
        case
            when b.action is null then 'no action in core.segment_playbook fits'
            when k.marketing_consent then b.reason
            when k.marketing_consent is null then 'not known whether the customer may be written to'
            else 'the customer does not want to be written to'
        end as reason,
        b.action as best_action,
        b.action_name as best_action_name,
        b.reason as best_action_reason,
        b.contact_channel,
        b.product_id,
        b.product_name,
        b.response_rate,
        b.order_value as value_at_stake,
        b.expected_value,
        case
            when r.place <= r.reachable * c.priority_high_share then 'high'
            when r.place <= r.reachable * c.priority_medium_share then 'medium'
            when r.place is not null then 'low'
        end as priority,
        case when k.marketing_consent then b.expires_on end as expires_on,
        c.currency
    from customers as k
    cross join clock as c
    left join best as b on k.customer_id = b.customer_id
    left join ranked as r on k.customer_id = r.customer_id
)

select * from final
