-- Whom may we write to? The customers of each audience who agreed to marketing, one row per audience and
-- customer. Who refused, and who was never asked, is not here: export this view, not
-- `customer.audience_matches`. Addresses are in `core.customers`, for those who may see them.
with matches as (
    select
        a.audience_id,
        a.audience_name,
        a.customer_id
    from customer.audience_matches as a
    where a.is_reachable
),

final as (
    select
        m.audience_id,
        m.audience_name,
        m.customer_id,
        p.rfm_segment,
        p.last_order_date,
        p.net_sales,
        p.top_category,
        p.currency
    from matches as m
    left join customer.profile as p on m.customer_id = p.customer_id
)

select * from final
order by audience_id, customer_id
