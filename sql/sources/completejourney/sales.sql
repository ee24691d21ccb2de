-- One row per product of a basket. What was paid is `sales_value`; discounts are those of the shop's card and the
-- doubling of coupons (coupons themselves are paid by the maker). A line has no id: it is what it says and how often
-- it said so before.
with lines as (
    select
        f.line,
        trim(f.basket_id) as order_id,
        trim(f.household_id) as customer_id,
        trim(f.product_id) as product_id,
        trim(f.store_id) as store_id,
        trim(f.quantity) as quantity,
        trim(f.sales_value) as total_price,
        case
            when
                f.retail_disc ~ '^[0-9]+(\.[0-9]*)?$' and f.coupon_match_disc ~ '^[0-9]+(\.[0-9]*)?$'
                then (f.retail_disc::numeric(18, 4) + f.coupon_match_disc::numeric(18, 4))::text
            else coalesce(f.retail_disc, f.coupon_match_disc)
        end as discount_amount,
        trim(f.transaction_timestamp) as sold_at,
        md5(
            coalesce(trim(f.household_id), '') || '|' || coalesce(trim(f.basket_id), '') || '|'
            || coalesce(trim(f.product_id), '') || '|' || coalesce(trim(f.quantity), '') || '|'
            || coalesce(trim(f.sales_value), '') || '|' || coalesce(trim(f.transaction_timestamp), '')
        ) as content_hash
    from file as f
),

numbered as (
    select
        l.line,
        l.order_id,
        l.customer_id,
        l.product_id,
        l.store_id,
        l.quantity,
        l.total_price,
        l.discount_amount,
        l.sold_at,
        l.content_hash,
        row_number() over (partition by l.content_hash order by l.line) as occurrence
    from lines as l
)

select
    n.content_hash || '-' || n.occurrence::text as sale_id,
    n.order_id,
    n.customer_id,
    n.product_id,
    n.store_id,
    n.quantity,
    n.total_price,
    n.discount_amount,
    n.sold_at,
    n.line
from numbered as n
